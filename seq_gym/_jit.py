"""The one import of numba: how kernels are compiled, and the few words that compiled code needs.

Kernels are written once. Compiled, `record_at` and `floats_at` are bare pointers (no bounds check,
no reference counting: five times faster than array arguments, whose unpacking alone costs 50 ns
each a call). Under `NUMBA_DISABLE_JIT=1` the same text runs as plain Python over `ctypes`, for
coverage, line numbers and debuggers.

Compile options, and why:

- `cache=True`: compiling takes seconds, loading milliseconds. The cache folder's name carries a
  digest of every source that holds kernels, because numba does not see edits in imported helpers.
- `error_model="numpy"`: a division by zero is inf, not a branch to an exception.
- no `fastmath`: it deletes NaN tests and reorders sums; results must be equal to the bit.
- `nogil=True`: kernels touch no Python object.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = [
    "COMPILED",
    "bytes_at",
    "call_slippage",
    "copy_bytes",
    "far_address",
    "far_call",
    "floats_at",
    "helper",
    "inlined",
    "int32s_at",
    "ints_at",
    "kernel",
    "prefetch",
    "python_address",
    "record_at",
    "singles_at",
    "slippage_address",
    "user_kernel",
]

# Numba's own annotations lag behind what it accepts.
_njit: Any = nb.njit
_config: Any = nb.config
_types: Any = types

COMPILED = not _config.DISABLE_JIT
"""False under NUMBA_DISABLE_JIT=1: the kernels are then ordinary Python functions."""

_KERNEL_FILES = ("_*.py", "types.py", "engine/**/*.py", "envs/**/*.py", "market/book/*.py")
"""Where kernels are written, and what is compiled into them (a test holds this true)."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _sources_digest() -> str:
    """Digest the files that hold kernels, and what they import."""
    digest = hashlib.sha256(nb.__version__.encode())
    root = Path(__file__).parent
    for path in sorted(path for pattern in _KERNEL_FILES for path in root.glob(pattern)):
        if not path.name.startswith("reference"):  # the twin is plain Python
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> str:
    """Return the first writable folder for compiled kernels: package, user, temporary."""
    name = f"kernels-{_sources_digest()}"
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "seq_gym"
    for parent in (Path(__file__).parent / "__pycache__", user):
        folder = parent / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return str(folder)
        except OSError:
            continue
    return tempfile.mkdtemp(prefix=name)


_CACHE_FOLDER = _cache_folder() if COMPILED else ""


def kernel(function: _Function) -> _Function:
    """Compile a function that Python may call: on its first call, kept on disk."""
    if not COMPILED:
        return function
    before = _config.CACHE_DIR
    _config.CACHE_DIR = _CACHE_FOLDER
    try:
        compiled: _Function = _widened(_njit(cache=True, nogil=True, error_model="numpy")(function))
        return compiled
    finally:
        _config.CACHE_DIR = before


def user_kernel(function: _Function) -> _Function:
    """Compile a function of the user's that calls ours, kept on disk beside our own kernels.

    Numba renews what it kept when the user's file changes, but not when our helpers do: the folder
    carries our digest. What has no file (a notebook's cell may have none) is compiled each time.
    """
    if not COMPILED:
        return function
    try:
        return kernel(function)
    except RuntimeError:  # no place for its cache
        compiled: _Function = _njit(nogil=True, error_model="numpy")(function)
        return compiled


def helper(function: _Function) -> _Function:
    """Compile a function that only kernels call: no Python wrapper, no file of its own."""
    if not COMPILED:
        return function
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiled: _Function = _widened(_njit(nogil=True, error_model="numpy", **options)(function))
    return compiled


def inlined(function: _Function) -> _Function:
    """Compile a function into each of its callers, which are kernels.

    For what runs at every step, or has one caller: a call with its status check costs some 3 ns,
    and LLVM by itself inlines only the smallest. A function with many callers grows them all.
    """
    if not COMPILED:
        return function
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "inline": "always"}
    compiled: _Function = _widened(_njit(nogil=True, error_model="numpy", **options)(function))
    return compiled


def _widen(kind: Any) -> Any:
    plain = _types.unliteral(kind)
    return (
        types.int64
        if isinstance(plain, types.Integer) and getattr(plain, "signed", False)
        else plain
    )


def _widened(dispatcher: Any) -> Any:
    """Widen integer arguments of calls between kernels to int64.

    Numba would compile the callee anew for every constant it is called with (OPEN, CLOSE, each
    reason) and every width: three times the functions and three times the wait, for nothing.
    """
    resolve = dispatcher.get_call_template

    def resolve_widened(args: Any, kws: Any) -> Any:
        return resolve(
            tuple(_widen(arg) for arg in args),
            {name: _widen(arg) for name, arg in kws.items()},
        )

    dispatcher.get_call_template = resolve_widened
    return dispatcher


class _Row:
    """A record in plain Python whose fields win over numpy's own: `flags` and `size` are ours."""

    __slots__ = ("_row",)

    def __init__(self, row: Any) -> None:
        object.__setattr__(self, "_row", row)

    def __getattr__(self, name: str) -> Any:
        return self._row[name].item()

    def __setattr__(self, name: str, value: Any) -> None:
        self._row[name] = value


def record_at(dtype: np.dtype[Any]) -> Callable[[int, int], Any]:
    """Make the accessor `at(address, index)` of a table of records that starts at an address.

    The record that comes back is a view: assigning its fields writes the table.
    """
    if not COMPILED:
        size = dtype.itemsize

        def view(address: int, index: int) -> Any:
            memory: Any = (ctypes.c_char * size).from_address(int(address) + int(index) * size)
            return _Row(np.ndarray((1,), dtype, memory)[0])

        return view

    record = nb.from_dtype(dtype)
    step = dtype.itemsize

    @intrinsic
    def at(_typing: Any, address: Any, index: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            offset = builder.mul(args[1], context.get_constant(types.int64, step))
            return builder.inttoptr(builder.add(args[0], offset), context.get_value_type(record))

        return record(types.int64, types.int64), codegen

    return cast("Callable[..., Any]", at)


def _pointer_to(item: Any, plain: Any) -> Callable[[int], Any]:
    """Make `at(address)`, an unchecked pointer that is indexed like an array."""
    if not COMPILED:
        return lambda address: ctypes.cast(int(address), ctypes.POINTER(plain))

    pointer = types.CPointer(item)  # type: ignore[no-untyped-call]

    @intrinsic
    def at(_typing: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(pointer))

        return pointer(types.int64), codegen

    return cast("Callable[..., Any]", at)


floats_at = _pointer_to(types.float64, ctypes.c_double)
"""float64 values from an address."""
singles_at = _pointer_to(types.float32, ctypes.c_float)
"""float32 values from an address."""
ints_at = _pointer_to(types.int64, ctypes.c_int64)
"""int64 values from an address."""
int32s_at = _pointer_to(types.int32, ctypes.c_int32)
"""int32 values from an address."""
bytes_at = _pointer_to(types.uint8, ctypes.c_uint8)
"""uint8 values from an address."""


def _compiled_copy() -> Any:
    @intrinsic
    def copy(_typing: Any, target: Any, source: Any, count: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            to, from_ = (builder.inttoptr(arg, cgutils.voidptr_t) for arg in args[:2])
            cgutils.raw_memcpy(builder, to, from_, args[2], 1)  # type: ignore[no-untyped-call]
            return context.get_dummy_value()

        return types.void(types.int64, types.int64, types.int64), codegen

    return copy


def _compiled_prefetch() -> Any:
    @intrinsic
    def ask(_typing: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            integer = cgutils.int32_t
            kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t] + [integer] * 3)
            function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]
                builder.module, kind, "llvm.prefetch.p0"
            )
            pointer = builder.inttoptr(args[0], cgutils.voidptr_t)
            read, keep, data = integer(0), integer(3), integer(1)
            builder.call(function, [pointer, read, keep, data])
            return context.get_dummy_value()

        return types.void(types.int64), codegen

    return ask


def _compiled_slippage() -> Any:
    @intrinsic
    def call(_typing: Any, address: Any, notional: Any, adv: Any, sigma: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            double = context.get_value_type(types.float64)
            function = ir.FunctionType(double, [double] * 3)
            pointer = builder.inttoptr(args[0], function.as_pointer())
            return builder.call(pointer, args[1:])

        double = types.float64
        return double(types.int64, double, double, double), codegen

    return call


_FUNCTIONS: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""Plain Python: what stands for an address of a function."""


def far_call(count: int) -> Callable[..., int]:
    """Make `call(address, arguments)` of functions of `count` int64 that return an int64.

    A function that is called by its address is compiled once, alone: its callers compile in a
    fraction of the time, and the call costs a nanosecond.
    """
    if not COMPILED:
        return lambda address, arguments: int(_FUNCTIONS[address](*arguments))

    @intrinsic
    def call(_typing: Any, address: Any, arguments: Any) -> Any:
        def codegen(context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            integer = context.get_value_type(types.int64)
            function = ir.FunctionType(integer, [integer] * count)
            values = cgutils.unpack_tuple(builder, args[1], count)  # type: ignore[no-untyped-call]
            return builder.call(builder.inttoptr(args[0], function.as_pointer()), values)

        numbers = types.UniTuple(types.int64, count)  # type: ignore[no-untyped-call]
        return types.int64(types.int64, numbers), codegen

    return cast("Callable[..., int]", call)


def far_address(function: Any, count: int) -> int:
    """Return the address of a kernel of `count` int64 that returns an int64, for `far_call`."""
    if not COMPILED:
        _FUNCTIONS[id(function)] = function
        return id(function)
    signature = (types.int64,) * count
    function.compile(signature)
    made = function.overloads[signature]
    return int(made.library.get_pointer_to_function(made.fndesc.llvm_cfunc_wrapper_name))


def python_address(function: Callable[[int], None]) -> tuple[int, Any]:
    """Make a Python function of one number callable by `far_call(1)`; it takes the GIL itself.

    Returns:
        Its address, and the object that must stay alive as long as the address is used.
    """

    def answer(number: int) -> int:
        function(number)
        return 0

    if not COMPILED:
        return far_address(answer, 1), answer
    callback = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(answer)
    return ctypes.cast(callback, ctypes.c_void_p).value or 0, callback


def _plain_copy(target: int, source: int, count: int) -> None:
    ctypes.memmove(int(target), int(source), int(count))


def _plain_prefetch(address: int) -> None:
    """Do nothing: plain Python has no cache lines to ask for."""


def _plain_slippage(address: int, notional: float, adv: float, sigma: float) -> float:
    double = ctypes.c_double
    function = ctypes.CFUNCTYPE(double, double, double, double)(int(address))
    return float(function(notional, adv, sigma))


copy_bytes: Callable[[int, int, int], None] = _compiled_copy() if COMPILED else _plain_copy
"""Copy (target, source, count) bytes between addresses; slices do not vectorise, memcpy does."""

prefetch: Callable[[int], None] = _compiled_prefetch() if COMPILED else _plain_prefetch
"""Ask for the cache line at an address, ahead of its use."""

call_slippage: Callable[[int, float, float, float], float] = (
    _compiled_slippage() if COMPILED else _plain_slippage
)
"""Call the user's slippage function at an address (see `slippage_address`)."""


def slippage_address(function: Callable[[float, float, float], float]) -> tuple[int, Any]:
    """Make a Python function callable from kernels.

    Args:
        function: `(notional, adv_quote, volatility_frac) -> slippage_frac`, of plain arithmetic
            and `math` so that it compiles.

    Returns:
        Its address, and the object that must stay alive as long as the address is used.
    """
    if COMPILED:
        compiled = nb.cfunc("float64(float64, float64, float64)")(function)
        return int(compiled.address or 0), compiled
    double = ctypes.c_double
    callback = ctypes.CFUNCTYPE(double, double, double, double)(function)
    return ctypes.cast(callback, ctypes.c_void_p).value or 0, callback
