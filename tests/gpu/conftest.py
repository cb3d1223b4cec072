"""These tests need a GPU; without one they are not there."""

import torch

collect_ignore_glob = [] if torch.cuda.is_available() else ["test_*.py"]
