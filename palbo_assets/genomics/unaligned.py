"""Little-endian integers at any byte of a buffer, for compiled kernels: one instruction where indexing takes many.

Nothing is checked: the caller knows that the bytes are inside the buffer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _load(bits: int, kind: Any) -> Callable[..., Any]:
    def typed(_: Any, data: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            place = builder.gep(array.data, [arguments[1]])
            value = builder.load(builder.bitcast(place, ir.IntType(bits).as_pointer()))
            value.align = 1
            return value

        return kind(data, types.int64), code

    return intrinsic(typed)


load16 = _load(16, types.uint16)
"""uint16 of ``data`` (uint8 array) at byte ``at``."""
load32 = _load(32, types.uint32)
"""uint32 likewise."""
load64 = _load(64, types.uint64)
"""uint64 likewise."""


def _prefetch(_: Any, data: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        reading, near, content = (ir.Constant(number, one) for one in (0, 3, 1))
        builder.call(function, [builder.bitcast(place, byte), reading, near, content])
        return context.get_dummy_value()

    return types.none(data, types.int64), code


def _trailing_zeros(_: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), code


def _borrowed(_: Any, array: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        view.meminfo = view.meminfo.type(None)
        view.parent = view.parent.type(None)
        return view._getvalue()

    return array(array), code


prefetch: Any = intrinsic(_prefetch)
"""Ask for the cache line that holds byte ``at`` of ``data``, so that it is there when it is read."""
trailing_zeros: Any = intrinsic(_trailing_zeros)
"""How many of a uint64's lowest bits are zero; 64 for zero."""
borrowed: Any = intrinsic(_borrowed)
"""The same array without its owner, so that compiled code doesn't count references to it.

Numba counts one, with an atomic instruction, wherever an array is sliced or handed to another function, which costs a
kernel over short records more than its work. Whoever calls the kernel keeps the array alive.
"""
