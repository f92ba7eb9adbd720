"""How AWS starts Node.js: its options by memory and version, and where modules are looked for.

Pure functions. Source: the `bootstrap` scripts of AWS's nodejs18.x and nodejs24.x images, as
published by people who read them, and the Node.js page of the developer guide (experimental
features); not compared with AWS's answers here.
"""

from __future__ import annotations

# Text in NODE_OPTIONS that tells that a customer sizes the heap: AWS then leaves both sizes alone.
_HEAP_OPTIONS = (
    "--max-semi-space-size",
    "--max-old-space-size",
    "--max_semi_space_size",
    "--max_old_space_size",
)
# Features that Node.js has switched on and AWS switches off, by the versions that it does it for,
# unless NODE_OPTIONS has the option that switches it on.
_SWITCHED_OFF = {
    "experimental-require-module": (20, 22),
    "experimental-detect-module": (22,),
}


def options(major: int, memory_mib: int, node_options: str) -> tuple[str, ...]:
    """The options before the script's name.

    Args:
        node_options: the customer's NODE_OPTIONS.
    """
    chosen = ["--expose-gc", "--max-http-header-size", "81920"]
    given = node_options.split()
    for feature, versions in _SWITCHED_OFF.items():
        if major in versions and f"--{feature}" not in given:
            chosen.append(f"--no-{feature}")
    if not any(option in node_options for option in _HEAP_OPTIONS):
        new_space = memory_mib // 10
        chosen.append(f"--max-semi-space-size={new_space // 2}")
        chosen.append(f"--max-old-space-size={memory_mib - new_space}")
    return tuple(chosen)


def module_path(major: int, *, opt_dir: str, runtime_dir: str, task_root: str) -> str:
    """NODE_PATH: layers, the runtime's own packages, the function's code."""
    return ":".join(
        (
            f"{opt_dir}/nodejs/node{major}/node_modules",
            f"{opt_dir}/nodejs/node_modules",
            f"{runtime_dir}/node_modules",
            runtime_dir,
            task_root,
        )
    )
