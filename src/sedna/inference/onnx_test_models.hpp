// Small ONNX models made from bytes, so that tests need neither files nor the onnx package. For tests only.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sedna::inference::test {

/// Protocol-buffer fields, appended.
class Proto {
 public:
  Proto& number(int field, std::uint64_t v) {
    varint(static_cast<std::uint64_t>(field) << 3U);
    varint(v);
    return *this;
  }
  Proto& bytes(int field, std::string_view v) {
    varint((static_cast<std::uint64_t>(field) << 3U) | 2U);
    varint(v.size());
    text_.append(v);
    return *this;
  }
  Proto& message(int field, const Proto& p) { return bytes(field, p.text_); }
  const std::string& text() const { return text_; }

 private:
  void varint(std::uint64_t v) {
    while (v >= 0x80) {
      text_.push_back(static_cast<char>((v & 0x7fU) | 0x80U));
      v >>= 7U;
    }
    text_.push_back(static_cast<char>(v));
  }
  std::string text_;
};

enum OnnxType : int { kOnnxFloat = 1, kOnnxUint8 = 2, kOnnxInt64 = 7, kOnnxString = 8, kOnnxDouble = 11 };

/// An input or output; -1 is a variable dimension.
struct Port {
  std::string name;
  int type = kOnnxFloat;
  std::vector<std::int64_t> shape;
};

struct Node {
  std::string op;
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
};

inline Proto port(const Port& p) {
  Proto shape;
  for (const std::int64_t d : p.shape) {
    Proto dim;
    if (d < 0)
      dim.bytes(2, "n");
    else
      dim.number(1, static_cast<std::uint64_t>(d));
    shape.message(1, dim);
  }
  Proto tensor;
  tensor.number(1, static_cast<std::uint64_t>(p.type)).message(2, shape);
  Proto type;
  type.message(1, tensor);
  Proto info;
  info.bytes(1, p.name).message(2, type);
  return info;
}

inline std::string onnx_model(const std::vector<Node>& nodes, const std::vector<Port>& inputs,
                              const std::vector<Port>& outputs, std::uint64_t opset = 13) {
  Proto graph;
  for (const Node& node : nodes) {
    Proto n;
    for (const auto& in : node.inputs) n.bytes(1, in);
    for (const auto& out : node.outputs) n.bytes(2, out);
    n.bytes(4, node.op);
    graph.message(1, n);
  }
  graph.bytes(2, "test");
  for (const Port& p : inputs) graph.message(11, port(p));
  for (const Port& p : outputs) graph.message(12, port(p));
  Proto version;
  version.bytes(1, "").number(2, opset);
  Proto model;
  model.number(1, 8).message(7, graph).message(8, version);
  return model.text();
}

/// y = x + x, float [-1, 2].
inline std::string doubling_model() {
  return onnx_model({{"Add", {"x", "x"}, {"y"}}}, {{"x", kOnnxFloat, {-1, 2}}}, {{"y", kOnnxFloat, {-1, 2}}});
}

/// The same for strings of any number: y = x.
inline std::string string_model() {
  return onnx_model({{"Identity", {"x"}, {"y"}}}, {{"x", kOnnxString, {-1}}}, {{"y", kOnnxString, {-1}}});
}

/// Two inputs, two outputs: sum = a + b, first = a; a and b float [-1, 3].
inline std::string two_port_model() {
  return onnx_model({{"Add", {"a", "b"}, {"sum"}}, {"Identity", {"a"}, {"first"}}},
                    {{"a", kOnnxFloat, {-1, 3}}, {"b", kOnnxFloat, {-1, 3}}},
                    {{"sum", kOnnxFloat, {-1, 3}}, {"first", kOnnxFloat, {-1, 3}}});
}

}  // namespace sedna::inference::test
