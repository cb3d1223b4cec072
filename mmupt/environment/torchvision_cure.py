"""`python -m mmupt.environment.torchvision_cure`: make `import torchvision` work where it dies of a missing `nms`.

The registry's torchvision is a CUDA build; beside a CPU torch its import dies, and with it transformers' Qwen2.5-VL,
trl and vLLM. Only where the import fails for that reason, an import hook (`torchvision_hook`) is put into the
environment; it is tried, and taken out again if it does not help. `--remove` takes it out. Nothing heavy is imported
here.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NAME = "_mmupt_torchvision_hook"
HOOK = Path(__file__).with_name("torchvision_hook.py")


def main() -> int:
    """Exit code 0 when torchvision imports, with or without the hook; 1 when it does not."""
    if "--remove" in sys.argv[1:]:
        remove()
        return _tell("the hook is not installed any more", 0)
    error = import_error()
    if error is None:
        return _tell("torchvision imports; nothing to do", 0)
    if "nms" not in error:
        return _tell(f"torchvision does not import, and not for the reason that can be cured here: {error}", 1)
    install()
    error = import_error()
    if error is None:
        return _tell("torchvision imports now, through a hook in site-packages", 0)
    remove()
    return _tell(f"the hook did not help and was taken out again: {error}", 1)


def import_error() -> str | None:
    """The last line of what `import torchvision` says in a fresh Python, or None when it works."""
    done = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, timeout=300)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no message"])[-1]


def install() -> None:
    """Put the hook and the line that loads it into site-packages."""
    module, line = _files()
    shutil.copyfile(HOOK, module)
    line.write_text(f"import {NAME}\n", encoding="utf-8")


def remove() -> None:
    """Take both out again."""
    for file in reversed(_files()):
        file.unlink(missing_ok=True)


def _files() -> tuple[Path, Path]:
    folder = Path(sysconfig.get_path("purelib"))
    return folder / f"{NAME}.py", folder / f"{NAME}.pth"


def _tell(text: str, code: int) -> int:
    sys.stdout.write(f"{text}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
