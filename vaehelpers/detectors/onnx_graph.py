"""The ONNX graph of an `LSTMVAE`, written node by node: one LSTM node for each layer, no loops.

Source: ONNX operator schemas, opset 17. Its LSTM has the gates in the order input, output, forget, cell, and time on
the first axis; its GRU with ``linear_before_reset`` is the one of Keras.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vaehelpers.common.errors import InputError
from vaehelpers.model.vae import _LOG_VAR_RANGE, LSTMVAE

_OPSET, _IR = 17, 8  # read by every ONNX Runtime since 1.12 (2022)


def build_graph(model: LSTMVAE, onnx: Any, metadata: dict[str, str]) -> Any:
    """Write a model as an ONNX graph.

    Parameters
    ----------
    model : LSTMVAE
    onnx : module
        The package onnx, which is optional.
    metadata : dict of str to str
        To be kept in the file.

    Returns
    -------
    onnx.ModelProto
        Inputs and outputs are those that `vaehelpers.detectors.onnx_export.export_onnx` documents.

    Raises
    ------
    InputError
        If a block has no ONNX form.
    """
    graph = _Graph(onnx)
    _lay_out(graph, model)
    return graph.finish(metadata)


class _Graph:
    """Nodes and weights of an ONNX graph under construction; tensors go by their names."""

    def __init__(self, onnx: Any):
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self._count = 0

    def _name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def weight(self, array: ArrayLike, kind: Any = np.float32) -> str:
        name = self._name("w")
        values = np.ascontiguousarray(np.asarray(array, dtype=kind))
        self.weights.append(self.onnx.numpy_helper.from_array(values, name))
        return name

    def whole(self, *numbers: int) -> str:
        return self.weight(numbers, np.int64)

    def node(self, kind: str, *inputs: str, outputs: int = 1, name: str | None = None, **attributes: Any) -> Any:
        """Add a node; return the name of its output, or a list of them."""
        names = [name or self._name(kind.lower()) for _ in range(outputs)]
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def input(self, name: str, *shape: int | str) -> str:
        kind = self.onnx.TensorProto.FLOAT
        self.inputs.append(self.onnx.helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def output(self, tensor: str, name: str, *shape: int | str) -> None:
        self.node("Identity", tensor, name=name)
        kind = self.onnx.TensorProto.FLOAT
        self.outputs.append(self.onnx.helper.make_tensor_value_info(name, kind, list(shape)))

    def finish(self, metadata: dict[str, str]) -> Any:
        helper = self.onnx.helper
        graph = helper.make_graph(self.nodes, "vaehelpers", self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], producer_name="vaehelpers")
        model.ir_version = _IR
        helper.set_model_props(model, metadata)
        self.onnx.checker.check_model(model)
        return model

    # -- shapes and layers; shapes are (batch, time, channels), or (time, batch, channels) where a name says time-major

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.whole(*shape))

    def swap(self, x: str) -> str:
        """Between batch-major and time-major."""
        return self.node("Transpose", x, perm=[1, 0, 2])

    def affine(self, x: str, kernel: ArrayLike, bias: ArrayLike | None) -> str:
        x = self.node("MatMul", x, self.weight(kernel))
        return x if bias is None else self.node("Add", x, self.weight(bias))

    def dense(self, x: str, layer: Any) -> str:
        kernel, *rest = layer.get_weights()
        x = self.affine(x, kernel, rest[0] if rest else None)
        activation = layer.get_config()["activation"]
        known = {"linear": "", "tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}
        if activation not in known:
            raise InputError(f"the activation {activation!r} has no ONNX form here; use one of {', '.join(known)}")
        return self.node(known[activation], x) if known[activation] else x

    def normalize(self, x: str, layer: Any) -> str:
        scale, shift = layer.get_weights()
        return self.node(
            "LayerNormalization", x, self.weight(scale), self.weight(shift), axis=-1, epsilon=layer.epsilon
        )

    def lstm(self, time_major: str, layers: list[Any], states: tuple[str, str] | None = None) -> tuple[str, str]:
        """One LSTM node for a layer, or for a pair that reads in both directions.

        Returns outputs, time-major (time, batch, directions * units), and the last ones (batch, directions * units).
        """
        units, both = layers[0].units, len(layers) == 2
        kernels, recurrent, biases = [], [], []
        for layer in layers:
            config = layer.get_config()
            if (config["activation"], config["recurrent_activation"]) != ("tanh", "sigmoid"):
                raise InputError("an LSTM with other activations than tanh and sigmoid has no ONNX form here")
            kernel, recurrent_kernel, *rest = layer.get_weights()
            bias = rest[0] if rest else np.zeros(4 * units)
            kernels.append(_gates(kernel.T, units))
            recurrent.append(_gates(recurrent_kernel.T, units))
            biases.append(np.concatenate([_gates(bias, units), np.zeros(4 * units)]))
        inputs = [time_major, self.weight(kernels), self.weight(recurrent), self.weight(biases)]
        if states is not None:
            inputs += ["", *(self.node("Unsqueeze", state, self.whole(0)) for state in states)]
        direction = "bidirectional" if both else "forward"
        outputs, last, _ = self.node("LSTM", *inputs, outputs=3, hidden_size=units, direction=direction)
        return self._joined(outputs, last, units, both)

    def gru(self, time_major: str, layer: Any) -> tuple[str, str]:
        kernel, recurrent_kernel, bias = layer.get_weights()
        outputs, last = self.node(
            "GRU",
            time_major,
            self.weight([kernel.T]),
            self.weight([recurrent_kernel.T]),
            self.weight([bias.ravel()]),
            outputs=2,
            hidden_size=layer.units,
            linear_before_reset=1,
        )
        return self._joined(outputs, last, layer.units, False)

    def _joined(self, outputs: str, last: str, units: int, both: bool) -> tuple[str, str]:
        if not both:  # (time, 1, batch, units)
            return self.node("Squeeze", outputs, self.whole(1)), self.node("Squeeze", last, self.whole(0))
        outputs = self.node("Transpose", outputs, perm=[0, 2, 1, 3])
        return self.reshape(outputs, 0, 0, 2 * units), self.reshape(self.swap(last), -1, 2 * units)


def _gates(stacked: NDArray[Any], units: int) -> NDArray[Any]:
    """Rows of four gates, from Keras's order (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    i, f, c, o = (stacked[k * units : (k + 1) * units] for k in range(4))
    return np.concatenate([i, o, f, c])


def _lay_out(graph: _Graph, model: LSTMVAE) -> None:
    """Lay out the pass of `LSTMVAE` with a given noise, node by node."""
    rows, k, d = model.timesteps, model.n_features, model.latent_dim
    windows = graph.input("windows", "batch", rows, k)
    target = graph.input("target", "batch", rows, k)
    noise = graph.input("noise", "batch", d)
    summary = _encoder(graph, model.encoder, _to_patches(graph, windows, model))
    mu = graph.dense(summary, model.mu_head)
    log_var = graph.dense(summary, model.log_var_head)
    if model.linear_path:
        mu = graph.node("Add", mu, graph.dense(graph.reshape(windows, -1, rows * k), model.linear_encoder))
    log_var = graph.node("Clip", log_var, *(graph.weight(limit) for limit in _LOG_VAR_RANGE))
    deviation = graph.node("Exp", graph.node("Mul", log_var, graph.weight(0.5)))
    z = graph.node("Add", mu, graph.node("Mul", deviation, noise))
    base = None
    if model.linear_path:
        base = graph.reshape(graph.dense(z, model.linear_decoder), -1, rows, k)
    patches = _decoder(graph, model, z, base)  # (batch, patches, patch * k), means alone
    result = patches
    if model.patch > 1:
        count = -(-rows // model.patch)
        result = graph.reshape(patches, -1, count * model.patch, k)
        if count * model.patch > rows:
            result = graph.node("Slice", result, graph.whole(0), graph.whole(rows), graph.whole(1))
    if base is not None:
        result = graph.node("Add", result, base)
    away = graph.node("Sub", target, result)
    error = graph.node("ReduceMean", graph.node("Mul", away, away), axes=[1], keepdims=0)
    graph.output(result, "reconstruction", "batch", rows, k)
    graph.output(error, "window_error", "batch", k)


def _to_patches(graph: _Graph, windows: str, model: Any) -> str:
    """(batch, timesteps, k) -> (batch, patches, patch * k), the last one filled up with zeros."""
    if model.patch == 1:
        return windows
    count = -(-model.timesteps // model.patch)
    missing = count * model.patch - model.timesteps
    if missing:
        windows = graph.node("Pad", windows, graph.whole(0, 0, 0, 0, missing, 0))
    return graph.reshape(windows, -1, count, model.patch * model.n_features)


def _encoder(graph: _Graph, block: Any, patches: str) -> str:
    """Summary (batch, units) of windows in patches (batch, patches, channels)."""
    name = getattr(block, "name_", "")
    if name in ("dense", "mixed"):
        mixed = graph.dense(patches, block.mix) if name == "mixed" else patches
        flat = graph.node("Flatten", mixed, axis=1)
        for layer in block.stack:
            flat = graph.dense(flat, layer)
        return flat
    if name == "conv":
        x = graph.node("Transpose", patches, perm=[0, 2, 1])  # (batch, channels, time)
        for layer in block.stack:
            kernel, bias = layer.get_weights()  # (width, channels in, channels out)
            x = graph.node(
                "Conv",
                x,
                graph.weight(kernel.transpose(2, 1, 0)),
                graph.weight(bias),
                strides=[2],
                auto_pad="SAME_UPPER",
            )
            x = graph.node("Relu", x)
        return graph.node("Flatten", graph.node("Transpose", x, perm=[0, 2, 1]), axis=1)
    if name not in ("lstm", "bilstm", "gru"):
        raise InputError(
            f"the encoder {type(block).__name__} has no ONNX form; use lstm, bilstm, gru, conv, dense or mixed"
        )
    x, last = graph.swap(patches), ""
    for layer in block.stack:
        if name == "gru":
            x, last = graph.gru(x, layer)
        else:
            x, last = graph.lstm(x, _directions(layer))
    return last


def _directions(layer: Any) -> list[Any]:
    """The layer itself, or forward and backward layer of a bidirectional one."""
    return [layer.forward_layer, layer.backward_layer] if hasattr(layer, "forward_layer") else [layer]


def _decoder(graph: _Graph, model: Any, z: str, base: str | None) -> str:
    """Means (batch, patches, patch * k) that the decoder adds to the linear path."""
    block, width = model.decoder, model.patch * model.n_features
    name = getattr(block, "name_", "")

    def normed(x: str, i: int) -> str:
        return graph.normalize(x, block.norms[i]) if block.norms else x

    if name in ("dense", "mixed"):
        hidden = z
        for i, layer in enumerate(block.stack):
            hidden = normed(graph.dense(hidden, layer), i)
    if name == "dense":
        kernel, bias = block.head.get_weights()
        kernel = kernel.reshape(len(kernel), block.timesteps, -1)[..., :width].reshape(len(kernel), -1)
        bias = bias.reshape(block.timesteps, -1)[:, :width].ravel()
        return graph.reshape(graph.affine(hidden, kernel, bias), -1, block.timesteps, width)
    if name == "mixed":
        hidden = graph.dense(hidden, block.unfold)
        kernel, bias = block.head.get_weights()
        hidden = graph.reshape(hidden, -1, block.timesteps, block.mixtures)
        return graph.affine(hidden, kernel[:, :width], bias[:width])
    if name == "unfold":
        vectors = graph.reshape(
            graph.dense(graph.dense(z, block.first), block.unfold), -1, block.timesteps, block.width
        )
        vectors = hidden = graph.swap(vectors)
        for i, layer in enumerate(block.stack):
            hidden = normed(graph.lstm(hidden, [layer])[0], i)
        kernel, bias = block.head.get_weights()
        joined = graph.node("Concat", hidden, vectors, axis=2)
        return graph.swap(graph.affine(joined, kernel[:, :width], bias[:width]))
    if name not in ("repeat", "state", "repeat+state"):
        raise InputError(
            f"the decoder {type(block).__name__} has no ONNX form; "
            "use repeat, state, repeat+state, unfold, dense or mixed"
        )
    step = z
    if name == "state":  # its input is one at every step
        first = graph.node("Slice", z, graph.whole(0), graph.whole(1), graph.whole(1))
        step = graph.node("Add", graph.node("Mul", first, graph.weight(0.0)), graph.weight(1.0))
    step = graph.node("Unsqueeze", step, graph.whole(0))
    hidden = graph.node("Tile", step, graph.whole(block.timesteps, 1, 1))
    for i, layer in enumerate(block.stack):
        states = None
        if name != "repeat":
            states = (graph.dense(z, block.first_output[i]), graph.dense(z, block.first_carry[i]))
        hidden = normed(graph.lstm(hidden, [layer], states)[0], i)
    kernel, bias = block.head.get_weights()
    return graph.swap(graph.affine(hidden, kernel[:, :width], bias[:width]))
