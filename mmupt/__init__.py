"""mmupt: improve a multimodal language model without labels (MM-UPT, arXiv 2505.22453)."""

__version__ = "0.1.0"
