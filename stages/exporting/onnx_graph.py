"""What tf2onnx writes, made the same at every conversion and readable: order, names and axes of an ONNX graph."""

from typing import Any

AXES = ("batch", "height", "width")


def tidied(model: Any, name: str) -> Any:
    """The same model with its operations in the order in which the outputs need them, named by kind and number.

    tf2onnx orders and names them differently in every process. Inputs, outputs and weights keep their values.

    Args:
        model: an onnx.ModelProto. It is changed.
        name: of the graph.

    Returns:
        A new onnx.ModelProto with the same opset, whose free axes are called batch, height and width.
    """
    from onnx import helper

    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes, used = _needed(graph, constants)
    names = {old: f"constant_{number}" for number, old in enumerate(used)}
    kept = {value.name for value in (*graph.input, *graph.output)}
    for number, node in enumerate(nodes):
        node.name = f"{node.op_type}_{number}"
        names |= {old: f"{node.name}:{place}" for place, old in enumerate(node.output) if old and old not in kept}
    for node in nodes:
        node.input[:] = [names.get(old, old) for old in node.input]
        node.output[:] = [names.get(old, old) for old in node.output]
        _known_everywhere(node)
    for old in used:
        constants[old].name = names[old]
    for value in (*graph.input, *graph.output):
        _name_axes(value.type.tensor_type.shape.dim)
    new = helper.make_graph(nodes, name, list(graph.input), list(graph.output), [constants[old] for old in used])
    opsets = [opset for opset in model.opset_import if not opset.domain]
    return helper.make_model(new, opset_imports=opsets, ir_version=model.ir_version, producer_name=model.producer_name)


def _needed(graph: Any, constants: dict[str, Any]) -> tuple[list[Any], list[str]]:
    """The operations that the outputs need, each after those that it needs itself, and the constants by first use."""
    makers = {value: node for node in graph.node for value in node.output}
    nodes: list[Any] = []
    done: set[int] = set()
    used: dict[str, None] = {}  # a set that keeps its order
    waiting = [(value.name, False) for value in reversed(graph.output)]
    while waiting:
        value, inputs_are_done = waiting.pop()
        node = makers.get(value)
        if value in constants:
            used[value] = None
        elif node is None or id(node) in done:  # an input of the graph, or an operation with several outputs
            continue
        elif inputs_are_done:
            done.add(id(node))
            nodes.append(node)
        else:
            waiting += [(value, True), *((each, False) for each in reversed(node.input))]
    return nodes, list(used)


def _known_everywhere(node: Any) -> None:
    """Write enlarging by whole factors, where each pixel is repeated, in a way that no opset has given up.

    tf2onnx writes tf_half_pixel_for_nn, which ONNX dropped. For whole factors, the only ones in these networks, the
    pixel x of the result comes from the pixel floor(x / factor) in both.
    """
    attributes = {attribute.name: attribute for attribute in node.attribute}
    way = attributes.get("coordinate_transformation_mode")
    if node.op_type == "Resize" and way is not None and way.s == b"tf_half_pixel_for_nn":
        way.s, attributes["nearest_mode"].s = b"asymmetric", b"floor"


def _name_axes(dimensions: Any) -> None:
    for axis, dimension in zip(AXES, dimensions, strict=False):
        if dimension.HasField("dim_param"):
            dimension.dim_param = axis
