#include <weft/apps/bench/peers/peers.hpp>

#ifdef WEFT_BENCH_ONEDNN
#include <initializer_list>
#include <memory>
#include <unordered_map>
#include <utility>

#include <oneapi/dnnl/dnnl.hpp>

#include <weft/apps/bench/noise.hpp>
#include <weft/core/text.hpp>

namespace weft::bench::peers::onednn {

namespace {

using dnnl::memory;
using Tag = memory::format_tag;

dnnl::engine& engine() {
  static dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

memory::desc any(const memory::dims& dims) { return {dims, memory::data_type::f32, Tag::any}; }

// oneDNN 2 makes a primitive's descriptor from an operation's, oneDNN 3 from its arguments.
template <class Primitive, class... Args>
typename Primitive::primitive_desc describe(const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine(), args...);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), engine());
#endif
}
template <class Primitive, class Hint, class... Args>
typename Primitive::primitive_desc describe_backward(const Hint& hint, const Args&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(engine(), args..., hint);
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(args...), engine(), hint);
#endif
}

/// A primitive with its operands.
struct Job {
  dnnl::primitive primitive;
  std::unordered_map<int, memory> operands;
  dnnl::stream stream{engine()};

  void add(int argument, const memory::desc& desc) {
    memory operand(desc, engine());
    fill_noise(static_cast<float*>(operand.get_data_handle()), static_cast<std::int64_t>(desc.get_size() / sizeof(float)));
    operands.emplace(argument, std::move(operand));
  }
};

using Operands = std::initializer_list<std::pair<int, memory::desc>>;

Call call_of(const dnnl::primitive& primitive, Operands operands) {
  auto job = std::make_shared<Job>();
  job->primitive = primitive;
  for (const auto& [argument, desc] : operands) job->add(argument, desc);
  return [job] {
    job->primitive.execute(job->stream, job->operands);
    job->stream.wait();
  };
}

template <class Primitive, class Descriptor>
Call forward_call(const Descriptor& d) {
  return call_of(Primitive(d), {{DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_DST, d.dst_desc()}});
}
template <class Primitive, class Descriptor>
Call data_call(const Descriptor& d) {
  return call_of(Primitive(d),
                 {{DNNL_ARG_DIFF_DST, d.diff_dst_desc()}, {DNNL_ARG_WEIGHTS, d.weights_desc()}, {DNNL_ARG_DIFF_SRC, d.diff_src_desc()}});
}
template <class Primitive, class Descriptor>
Call weights_call(const Descriptor& d) {
  return call_of(Primitive(d),
                 {{DNNL_ARG_DIFF_DST, d.diff_dst_desc()}, {DNNL_ARG_SRC, d.src_desc()}, {DNNL_ARG_DIFF_WEIGHTS, d.diff_weights_desc()}});
}

}  // namespace

std::string version() {
  const dnnl_version_t* v = dnnl_version();
  const char* isa = "";
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx2: isa = ", AVX2"; break;
    case dnnl::cpu_isa::avx512_core: isa = ", AVX-512"; break;
    case dnnl::cpu_isa::avx512_core_vnni: isa = ", AVX-512 VNNI"; break;
    case dnnl::cpu_isa::avx512_core_bf16: isa = ", AVX-512 BF16"; break;
    default: break;
  }
  return cat(v->major, ".", v->minor, ".", v->patch, isa);
}

Call inner_product(Pass pass, std::int64_t out, std::int64_t in, std::int64_t batch) {
  using Forward = dnnl::inner_product_forward;
  using Data = dnnl::inner_product_backward_data;
  using Weights = dnnl::inner_product_backward_weights;
  const auto x = any({batch, in}), w = any({out, in}), y = any({batch, out});
  const auto forward = describe<Forward>(dnnl::prop_kind::forward_training, x, w, y);
  if (pass == Pass::data) return data_call<Data>(describe_backward<Data>(forward, x, w, y));
  if (pass == Pass::weights) return weights_call<Weights>(describe_backward<Weights>(forward, x, w, y));
  return forward_call<Forward>(forward);
}

Call convolution(Pass pass, Lattice in, std::int64_t c_out, std::int64_t batch) {
  using Forward = dnnl::convolution_forward;
  using Data = dnnl::convolution_backward_data;
  using Weights = dnnl::convolution_backward_weights;
  const auto x = any({batch, in.c, in.h, in.w}), w = any({c_out, in.c, 3, 3}), y = any({batch, c_out, in.h, in.w});
  const memory::dims one{1, 1};
  const auto direct = dnnl::algorithm::convolution_direct;
  const auto forward = describe<Forward>(dnnl::prop_kind::forward_training, direct, x, w, y, one, one, one);
  if (pass == Pass::data) return data_call<Data>(describe_backward<Data>(forward, direct, x, w, y, one, one, one));
  if (pass == Pass::weights) return weights_call<Weights>(describe_backward<Weights>(forward, direct, x, w, y, one, one, one));
  return forward_call<Forward>(forward);
}

LstmCalls lstm(std::int64_t steps, std::int64_t batch, std::int64_t units) {
  using Forward = dnnl::lstm_forward;
  using Backward = dnnl::lstm_backward;
  const auto fixed = [](const memory::dims& dims, Tag tag) { return memory::desc(dims, memory::data_type::f32, tag); };
  const auto sequence = fixed({steps, batch, units}, Tag::tnc), state = fixed({1, 1, batch, units}, Tag::ldnc),
             bias = fixed({1, 1, 4, units}, Tag::ldgo);
  const auto w = any({1, 1, units, 4, units});
  const auto direction = dnnl::rnn_direction::unidirectional_left2right;
  const auto forward =
      describe<Forward>(dnnl::prop_kind::forward_training, direction, sequence, state, state, w, w, bias, sequence, state, state);
  const auto backward = describe_backward<Backward>(forward, dnnl::prop_kind::backward, direction, sequence, state, state, w, w, bias,
                                                    sequence, state, state, sequence, state, state, w, w, bias, sequence, state, state);
  const Operands common{{DNNL_ARG_SRC_LAYER, sequence}, {DNNL_ARG_SRC_ITER, state},
                        {DNNL_ARG_SRC_ITER_C, state},   {DNNL_ARG_BIAS, bias},
                        {DNNL_ARG_DST_LAYER, sequence}, {DNNL_ARG_DST_ITER, state},
                        {DNNL_ARG_DST_ITER_C, state},   {DNNL_ARG_WORKSPACE, forward.workspace_desc()}};
  auto first = std::make_shared<Job>(), second = std::make_shared<Job>();
  first->primitive = Forward(forward);
  for (const auto& [argument, desc] : common) first->add(argument, desc);
  second->primitive = Backward(backward);
  second->operands = first->operands;  // the backward pass reads what the forward pass left
  first->add(DNNL_ARG_WEIGHTS_LAYER, forward.weights_layer_desc());
  first->add(DNNL_ARG_WEIGHTS_ITER, forward.weights_iter_desc());
  for (const auto& [argument, desc] : Operands{{DNNL_ARG_WEIGHTS_LAYER, backward.weights_layer_desc()},
                                               {DNNL_ARG_WEIGHTS_ITER, backward.weights_iter_desc()},
                                               {DNNL_ARG_DIFF_SRC_LAYER, sequence},
                                               {DNNL_ARG_DIFF_SRC_ITER, state},
                                               {DNNL_ARG_DIFF_SRC_ITER_C, state},
                                               {DNNL_ARG_DIFF_WEIGHTS_LAYER, backward.diff_weights_layer_desc()},
                                               {DNNL_ARG_DIFF_WEIGHTS_ITER, backward.diff_weights_iter_desc()},
                                               {DNNL_ARG_DIFF_BIAS, bias},
                                               {DNNL_ARG_DIFF_DST_LAYER, sequence},
                                               {DNNL_ARG_DIFF_DST_ITER, state},
                                               {DNNL_ARG_DIFF_DST_ITER_C, state}})
    second->add(argument, desc);
  const auto run = [](Job& job) {
    job.primitive.execute(job.stream, job.operands);
    job.stream.wait();
  };
  return {[first, run] { run(*first); }, [first, second, run] { run(*first), run(*second); }};
}

}  // namespace weft::bench::peers::onednn

#else
namespace weft::bench::peers::onednn {
std::string version() { return {}; }
Call inner_product(Pass, std::int64_t, std::int64_t, std::int64_t) { return {}; }
Call convolution(Pass, Lattice, std::int64_t, std::int64_t) { return {}; }
LstmCalls lstm(std::int64_t, std::int64_t, std::int64_t) { return {}; }
}  // namespace weft::bench::peers::onednn
#endif
