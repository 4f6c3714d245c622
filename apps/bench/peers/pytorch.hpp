#pragma once

#include <cstdio>
#include <string>

namespace weft::bench {

/// A network of apps/models at a batch size.
struct PyTorchCase {
  /// "mnist" (trained by Adam), "resnet9", "resnet12", "vgg9" or "vgg12" (width 16, SGD with momentum); "lstm" (Adam, clipped gradients):
  /// the language model of width 256, for which `side` is steps and `classes` words; "ag_news" (Adam): the mean of word vectors over `side`
  /// words; "etth1", "electricity" (Adam): a linear map from `side` steps of 7 series or one to `classes`.
  std::string net;
  int side, classes, batch;
};

/// PyTorch in a process of its own, which runs the networks of apps/models (pytorch.py) on request and answers with the
/// seconds it took: so that its steps and weft's can alternate, and neither's threads or memory are the other's.
class PyTorch {
 public:
  /// Starts `python` (a program found by PATH). Throws DeviceError, with what it said last, if it does not get as far as a network.
  explicit PyTorch(const std::string& python);
  PyTorch(const PyTorch&) = delete;
  PyTorch& operator=(const PyTorch&) = delete;
  ~PyTorch();

  /// Versions, as PyTorch names them.
  const std::string& version() const { return version_; }
  void set_threads(int n);
  /// Seconds of that many training steps. `format`: "contiguous" or "channels_last".
  double steps(const PyTorchCase& c, const std::string& format, int calls);
  /// Seconds of that many inferences of one image by the MNIST network.
  double inferences(const std::string& format, int calls);
  /// Seconds of that many passes of an LSTM layer with as many channels as units. `pass`: "forward", or "step" with its backward pass.
  double lstm(int steps, int batch, int units, const std::string& pass, int calls);

 private:
  std::string ask(const std::string& request);
  [[noreturn]] void refuse(const std::string& what);
  void stop();

  std::string python_, version_;
  int process_ = -1;
  std::FILE* to_ = nullptr;
  std::FILE* from_ = nullptr;
};

}  // namespace weft::bench
