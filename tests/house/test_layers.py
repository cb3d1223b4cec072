"""The house is as drawn: who imports whom, and where the heavy libraries stand."""

import json
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

from tests.house.source import HEAVY, LEAF_ROOMS, ROOMS, modules


def test_every_module_stands_in_a_room_of_the_list():
    assert {module.room for module in modules().values()} - {""} <= set(ROOMS)


def test_a_module_imports_only_from_its_own_room_and_those_above():
    wrong = [
        f"{module.name} imports {each.name}"
        for module in modules().values()
        for each in module.imports
        if each.name.startswith("mmupt.") and ROOMS.index(each.name.split(".")[1]) > ROOMS.index(module.room)
    ]
    assert wrong == []


def test_no_modules_import_each_other_in_a_circle():
    graph = {
        module.name: {each.name for each in module.imports if each.name in modules() and each.name != module.name}
        for module in modules().values()
    }
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None
    assert len(order) == len(modules())


def test_heavy_libraries_stand_at_the_top_of_leaf_files_only():
    wrong = [
        f"{module.name} imports {each.name}"
        for module in modules().values()
        for each in module.imports
        if not each.lazy and each.name.split(".")[0] in HEAVY and module.room not in LEAF_ROOMS
    ]
    assert wrong == []


def test_importing_all_rooms_but_the_leaves_loads_no_heavy_library():
    light = [module.name for module in modules().values() if module.room not in (*LEAF_ROOMS, "__main__")]
    code = (
        "import importlib, json, sys\n"
        f"for name in {light!r}: importlib.import_module(name)\n"
        f"print(json.dumps(sorted({HEAVY!r} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
