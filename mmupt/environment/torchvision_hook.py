"""Lets a torchvision whose compiled half cannot load (a CUDA build beside a CPU torch) be imported all the same.

The cure copies this file into site-packages, where a `.pth` line imports it at the start of every Python, child
processes included. It stands alone, imports nothing but `sys` at that time, and acts once, when torchvision has tried
to load its compiled half and is about to describe its operators. Two of them, `nms` and `qnms`, it describes without
looking whether they exist; where they do not, they are declared here. A torchvision that loads whole is left alone.
"""

import sys


class _Watch:
    """Sees each import before it happens, finds nothing itself, and leaves after the one that it waits for."""

    library: object = None
    """Kept for the life of the process: the declarations vanish with the library object."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Declare what is missing just before torchvision describes it."""
        if name == "torchvision._meta_registrations":
            sys.meta_path.remove(_Watch)
            _declare_missing()


def _declare_missing() -> None:
    import torch

    missing = [name for name in ("nms", "qnms") if not hasattr(torch.ops.torchvision, name)]
    if missing:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in missing:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _Watch.library = library


if not any(getattr(finder, "__name__", "") == "_Watch" for finder in sys.meta_path):
    sys.meta_path.insert(0, _Watch)
