"""Takes the libraries and headers of libtorch out of wheels into one folder.

usage: unpack.py FOLDER cpu|cuda WHEEL...

Libraries go to lib/, where each finds the others beside itself, headers to include/.
"""

import os
import re
import shutil
import sys
import zipfile

folder, kind, wheels = sys.argv[1], sys.argv[2], sys.argv[3:]

# What is for Python alone, and for the CPU's set what is for CUDA alone. The few libraries besides the four that x86-64
# has (on ARM, BLAS and others) are needed, so the rule names what to leave out.
python_only = r"libtorch_python|libtorch_global_deps|libshm\."
cuda_only = r"|libtorch_cuda|libc10_cuda|libtorch_nvshmem|libcaffe2_nvrtc"
if kind == "cuda":
    libraries = rf"torch/lib/(?!{python_only})([^/]+\.(?:so|dylib)[^/]*)|nvidia/[^/]+/lib/([^/]+\.so[^/]*)"
    headers = r"(?:torch|nvidia/[^/]+)/include/(.+)"
else:
    libraries = (
        rf"torch/lib/(?!{python_only}{cuda_only})([^/]+\.(?:so|dylib)[^/]*)"
        r"|nvidia/[^/]+/lib/(lib(?:cudart|cupti)\.so[^/]*)"
    )
    headers = r"torch/include/(.+)"


def place(name):
    """Where a wheel's file belongs, or None."""
    if match := re.fullmatch(libraries, name):
        return os.path.join("lib", next(group for group in match.groups() if group))
    if match := re.fullmatch(headers, name):
        return os.path.join("include", match[1])
    return None


for wheel in wheels:
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            target = None if member.is_dir() else place(member.filename)
            if target:
                target = os.path.join(folder, target)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with archive.open(member) as source, open(target, "wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)

# On Linux libtorch.so has nothing of its own; it stands for libtorch_cpu.so and libtorch_cuda.so together. Whatever were
# linked to it would not start without the latter, so in the CPU's set this file tells the linker to take the former.
empty = os.path.join(folder, "lib", "libtorch.so")
if kind == "cpu" and os.path.exists(empty):
    with open(empty, "w") as script:
        script.write("INPUT(-ltorch_cpu)\n")
