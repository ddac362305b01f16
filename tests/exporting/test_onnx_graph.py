"""The order and the names of an ONNX graph, on graphs drawn by hand."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper, reference

from stages.exporting import onnx_graph


def drawn(swap: bool, prefix: str) -> object:
    """2·image + 3·image, once enlarged; in two orders and with other names."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", "h", "w"])
    answer = helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", "h2", "w2"])
    constants = [
        numpy_helper.from_array(np.array([value], kind), f"{prefix}{value}")
        for value, kind in ((2, np.float32), (3, np.float32))
    ]
    sizes = numpy_helper.from_array(np.array([1, 2, 2], np.float32), f"{prefix}scales")
    products = [
        helper.make_node("Mul", ["image", f"{prefix}{factor}"], [f"{prefix}times{factor}"], f"{prefix}{factor}")
        for factor in (2, 3)
    ]
    rest = [
        helper.make_node("Add", [f"{prefix}times2", f"{prefix}times3"], [f"{prefix}sum"]),
        helper.make_node(
            "Resize", [f"{prefix}sum", "", f"{prefix}scales"], ["answer"], mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="tf_half_pixel_for_nn",
        ),
        helper.make_node("Neg", [f"{prefix}sum"], [f"{prefix}unused"]),
    ]  # fmt: skip
    nodes = (products[::-1] if swap else products) + rest
    graph = helper.make_graph(nodes, prefix, [image], [answer], (constants[::-1] if swap else constants) + [sizes])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def test_order_and_names_do_not_depend_on_the_process() -> None:
    """The same bytes, each operation after those that it needs, none that no output needs; the axes have names."""
    one, other = (onnx_graph.tidied(drawn(swap, prefix), "net") for swap, prefix in ((False, "a"), (True, "b")))
    assert one.SerializeToString() == other.SerializeToString()
    assert [node.name for node in one.graph.node] == ["Mul_0", "Mul_1", "Add_2", "Resize_3"]
    assert [each.domain for each in one.opset_import] == [""]
    dimensions = one.graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_param for each in dimensions] == ["batch", "height", "width"]


def test_pixels_are_repeated() -> None:
    """5·image at twice the size: each pixel four times, in a way that current opsets know."""
    model = onnx_graph.tidied(drawn(False, "a"), "net")
    image = np.array([[[1, 2]]], np.float32)
    found = reference.ReferenceEvaluator(model).run(None, {"image": image})[0]
    assert found.tolist() == [[[5, 5, 10, 10], [5, 5, 10, 10]]]
    attributes = {each.name: each.s for each in model.graph.node[-1].attribute}
    assert attributes["coordinate_transformation_mode"] == b"asymmetric"
