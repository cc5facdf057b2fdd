"""The build backend of the wheel: CMake builds the extension, this file packs it.

It needs nothing from PyPI, except cmake and ninja where the machine has none. Libraries that exist as archives are linked
statically; what remains shared (beside libc) lies in quiver/.libs, where the extension's run path finds it.
"""

import base64
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile

HERE = pathlib.Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
SYSTEM_LIBRARIES = re.compile(r"(lib(c|m|dl|rt|pthread|gcc_s)\.so|ld-linux|linux-vdso)")


def get_requires_for_build_wheel(config_settings=None):
    return [tool for tool in ("cmake", "ninja") if shutil.which(tool) is None]


def _project():
    return tomllib.loads((HERE / "pyproject.toml").read_text())["project"]


def _run(*command):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, text=True).stdout


def _build():
    """Builds the extension and returns its path."""
    folder = ROOT / "build" / "wheel"
    options = ["-DCMAKE_BUILD_TYPE=Release", "-DQV_PYTHON=ON", "-DQV_TESTS=OFF", "-DQV_STATIC_DEPS=ON"]
    _run("cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", f"-DPython3_EXECUTABLE={sys.executable}", *options)
    _run("cmake", "--build", folder, "--target", "quiver_python")
    return folder / "python" / "quiver" / "_quiver.abi3.so"


def _libraries(extension):
    """(soname, path) of the shared libraries that the system does not bring."""
    for line in _run("ldd", extension).splitlines():
        match = re.match(r"\s*(\S+) => (\S+)", line)
        if match and not SYSTEM_LIBRARIES.match(match[1]):
            yield match[1], pathlib.Path(match[2])


def _stripped(path, folder):
    copy = folder / path.name
    shutil.copyfile(path.resolve(), copy)
    if shutil.which("strip"):
        _run("strip", "--strip-unneeded", copy)
    return copy


def _platform(files):
    """The manylinux tag: the newest glibc symbol that any of the files asks for."""
    newest = (2, 17)
    for file in files:
        for major, minor in re.findall(r"GLIBC_(\d+)\.(\d+)", _run("readelf", "-V", "--wide", file)):
            newest = max(newest, (int(major), int(minor)))
    return f"manylinux_{newest[0]}_{newest[1]}_{platform.machine()}"


def _metadata(project):
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Summary: {project['description']}", f"Requires-Python: {project['requires-python']}"]
    lines += [f"License: {project['license']['text']}"]
    for extra, packages in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f'Requires-Dist: {package}; extra == "{extra}"' for package in packages]
    lines += ["Description-Content-Type: text/markdown", "", (HERE / "README.md").read_text()]
    return "\n".join(lines)


def _write(path, entries):
    """A wheel from {name: bytes}; the record comes last."""
    record = next(name for name in entries if name.endswith("/WHEEL")).replace("/WHEEL", "/RECORD")
    rows = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        for name, data in entries.items():
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            info.external_attr = (0o755 if ".so" in name else 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(info, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            rows.append(f"{name},sha256={digest},{len(data)}")
        rows.append(f"{record},,")
        wheel.writestr(zipfile.ZipInfo(record, date_time=(2020, 1, 1, 0, 0, 0)), "\n".join(rows) + "\n")


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = _project()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        built = _build()
        extension = _stripped(built, folder)
        bundled = {name: _stripped(path, folder) for name, path in _libraries(built)}
        tag = f"cp311-abi3-{_platform([extension, *bundled.values()])}"
        info = f"{project['name']}-{project['version']}.dist-info"
        entries = {}
        for source in sorted((HERE / "quiver").rglob("*")):
            if source.suffix in (".py", ".pyi") or source.name == "py.typed":
                entries[source.relative_to(HERE).as_posix()] = source.read_bytes()
        entries["quiver/_quiver.abi3.so"] = extension.read_bytes()
        for name, path in bundled.items():
            entries[f"quiver/.libs/{name}"] = path.read_bytes()
        entries[f"{info}/METADATA"] = _metadata(project).encode()
        entries[f"{info}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
        wheel = f"Wheel-Version: 1.0\nGenerator: quiver_build\nRoot-Is-Purelib: false\nTag: {tag}\n"
        entries[f"{info}/WHEEL"] = wheel.encode()
    name = f"{project['name']}-{project['version']}-{tag}.whl"
    _write(os.path.join(wheel_directory, name), entries)
    return name


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError("the wheel is built from the repository, there is no source distribution")
