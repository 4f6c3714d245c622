#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <weft/core/text.hpp>
#include <weft/data/locate.hpp>
#include <weft/data/program.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/loopback_server.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>
#include <weft/tests/oracle/tar_bytes.hpp>

using namespace weft;
using oracle::format_error;
using oracle::LoopbackServer;
using oracle::ScratchFolder;

namespace {

using Files = std::map<std::string, std::string>;
using Remarks = std::vector<std::string>;

/// A set of label + 1 training images, labelled downwards, and one test image of 1x1 pixels, told apart by its first label.
Files tiny_files(char label) {
  std::string images = std::string("\0\0\x08\x03\0\0\0", 7) + static_cast<char>(label + 1) + std::string("\0\0\0\x01\0\0\0\x01", 8);
  const std::string image = std::string("\0\0\x08\x03\0\0\0\x01\0\0\0\x01\0\0\0\x01", 16) + label;
  std::string labels = std::string("\0\0\x08\x01\0\0\0", 7) + static_cast<char>(label + 1);
  for (char each = label; each >= 0; --each) images += each, labels += each;
  const std::string one = std::string("\0\0\x08\x01\0\0\0\x01", 8) + label;
  return {{"train-images-idx3-ubyte.gz", images},
          {"train-labels-idx1-ubyte.gz", labels},
          {"t10k-images-idx3-ubyte.gz", image},
          {"t10k-labels-idx1-ubyte.gz", one}};
}

void write_set(const ScratchFolder& folder, const std::string& inside, char label) {
  for (const auto& [name, bytes] : tiny_files(label)) folder.write((std::filesystem::path(inside) / name).string(), bytes);
}

/// Sets environment variables for one test case and puts them back; a value of nothing removes one.
class Environment {
 public:
  void set(const std::string& name, const std::optional<std::string>& value) {
    const char* old = std::getenv(name.c_str());
    before_.emplace(name, old ? std::optional<std::string>(old) : std::nullopt);
    put(name, value);
  }
  ~Environment() {
    for (const auto& [name, value] : before_) put(name, value);
  }

 private:
  static void put(const std::string& name, const std::optional<std::string>& value) {
    if (value) ::setenv(name.c_str(), value->c_str(), 1);
    else ::unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> before_;
};

/// What to download to get tiny_files(label), with short time-outs and no mirror yet.
DownloadOptions tiny_download(char label) {
  ::setenv("no_proxy", "127.0.0.1", 1);
  const ScratchFolder folder;
  DownloadOptions options{.mirrors = {}, .files = {}, .connect_seconds = 1, .stall_seconds = 1, .total_seconds = 30};
  for (const auto& [name, bytes] : tiny_files(label)) {
    const ProgramResult sum = run_program({"sha256sum", folder.write(name, bytes)});
    REQUIRE(sum.status == 0);
    options.files.push_back({name, sum.output.substr(0, 64)});
  }
  return options;
}

std::map<std::string, LoopbackServer::Page> pages(const std::string& prefix, const Files& files) {
  std::map<std::string, LoopbackServer::Page> all;
  for (const auto& [name, bytes] : files) all[(std::filesystem::path(prefix) / name).string()] = {.body = bytes};
  return all;
}

/// Files in a folder: four of a whole set, and nothing left lying about.
long files_in(const std::string& folder) {
  return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator{});
}

std::string failure_of(const DataPlaces& places) {
  Remarks remarks;
  return format_error([&] { find_images(places, remarks); });
}

/// Black images, one for training and one for testing, told apart by their label.
void write_cifar(const ScratchFolder& folder, const std::string& inside, CifarKind kind, char label) {
  const bool ten = kind == CifarKind::ten;
  const std::string bytes = (ten ? std::string{} : std::string(1, '\0')) + label + std::string(3072, '\0');
  folder.write(inside + (ten ? "/data_batch_1.bin" : "/train.bin"), bytes);
  folder.write(inside + (ten ? "/test_batch.bin" : "/test.bin"), bytes);
}

}  // namespace

TEST_CASE("a download is hashed with SHA-256") {
  ::setenv("no_proxy", "127.0.0.1", 1);
  const ScratchFolder cache;
  LoopbackServer server({{"abc", {.body = "abc"}}});  // FIPS 180-2, example B.1
  const DownloadOptions options{.mirrors = {server.url("")},
                                .files = {{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}}};
  Remarks remarks;
  CHECK(download(options, cache.path(), remarks));
  CHECK(remarks.empty());
  CHECK(oracle::file_bytes(cache / "abc") == "abc");
}

TEST_CASE("a good mirror fills the cache, once") {
  const ScratchFolder cache;
  LoopbackServer server(pages("good", tiny_files(3)));
  DataPlaces places{.caches = cache / "weft", .mnist = tiny_download(3)};
  places.mnist.mirrors = {server.url("good")};
  Remarks remarks;
  const ImageData first = find_images(places, remarks);
  CHECK(remarks.empty());
  CHECK(first.train.labels[0] == 3);
  CHECK(first.source.find(places.caches + "/mnist") == 0);
  CHECK(files_in(places.caches + "/mnist") == 4);
  CHECK(server.requests() == 4);
  CHECK(find_images(places, remarks).train.labels[0] == 3);
  CHECK(server.requests() == 4);
}

TEST_CASE("a wrong hash, a 404, a stall and a dead port each fall through to the next mirror") {
  const ScratchFolder cache;
  std::map<std::string, LoopbackServer::Page> all = pages("good", tiny_files(3));
  all.merge(pages("forged", tiny_files(4)));
  for (const auto& [name, bytes] : tiny_files(3)) all["stalling/" + name].stalls = true;
  LoopbackServer server(all);
  DataPlaces places{.caches = cache / "c", .mnist = tiny_download(3)};
  places.mnist.mirrors = {server.url("forged"), server.url("absent/"), server.url("stalling"), "http://127.0.0.1:1", server.url("good")};
  Remarks remarks;
  CHECK(find_images(places, remarks).train.labels[0] == 3);
  REQUIRE(remarks.size() == 4);
  CHECK(remarks[0].find("SHA-256 is") != std::string::npos);
  CHECK(remarks[1].find("404") != std::string::npos);
  CHECK(remarks[2].find(server.url("stalling/t")) != std::string::npos);
  CHECK(remarks[2].find("too slow") != std::string::npos);
  CHECK(remarks[3].find("127.0.0.1:1/") != std::string::npos);
  CHECK(files_in(places.caches + "/mnist") == 4);
}

TEST_CASE("where every mirror fails a system package serves, and without one the places are named") {
  const ScratchFolder folder;
  LoopbackServer server(pages("forged", tiny_files(4)));
  write_set(folder, "system", 7);
  DataPlaces places{.caches = folder / "caches", .mnist = tiny_download(3), .system = {folder / "nowhere", folder / "system"}};
  places.mnist.mirrors = {server.url("absent"), server.url("forged")};
  Remarks remarks;
  CHECK(find_images(places, remarks).train.labels[0] == 7);
  CHECK(remarks.size() == 2);
  CHECK(files_in(places.caches + "/mnist") == 0);

  places.system.pop_back();
  const std::string message = failure_of(places);
  CHECK(message.find("dataset-fashion-mnist") != std::string::npos);
  CHECK(message.find("tried: " + places.caches + "/mnist, " + server.url("absent") + ", " + server.url("forged") + ", " + places.system[0] +
                     "\n") != std::string::npos);
}

TEST_CASE("a damaged cache is mended by a download, or passed over") {
  const ScratchFolder folder;
  LoopbackServer server(pages("good", tiny_files(3)));
  write_set(folder, "caches/mnist", 3);
  write_set(folder, "system", 7);
  folder.write("caches/mnist/train-images-idx3-ubyte.gz", "damaged");
  DataPlaces places{.caches = folder / "caches", .mnist = tiny_download(3), .system = {folder / "system"}};
  Remarks remarks;
  CHECK(find_images(places, remarks).train.labels[0] == 7);
  REQUIRE(remarks.size() == 1);
  CHECK(remarks[0].find("damaged") != std::string::npos);
  places.mnist.mirrors = {server.url("good")};
  CHECK(find_images(places, remarks).train.labels[0] == 3);
  CHECK(server.requests() == 1);  // the other three were right already
  CHECK(files_in(places.caches + "/mnist") == 4);
}

TEST_CASE("a cache that cannot be made is a remark") {
  const ScratchFolder folder;
  write_set(folder, "system", 7);
  folder.write("file", "in the way");
  DataPlaces places{.caches = folder / "file/caches", .mnist = tiny_download(3), .system = {folder / "system"}};
  places.mnist.mirrors = {"http://127.0.0.1:1"};
  Remarks remarks;
  CHECK(find_images(places, remarks).train.labels[0] == 7);
  REQUIRE(remarks.size() == 1);
  CHECK(remarks[0].find("cannot be made") != std::string::npos);
}

TEST_CASE("--data and WEFT_DATA go before everything and must hold a set") {
  const ScratchFolder folder;
  write_set(folder, "flag/mnist", 1);
  write_set(folder, "flag/fashion-mnist", 2);
  write_set(folder, "variable/fashion-mnist", 2);
  write_set(folder, "caches/mnist", 3);
  DataPlaces places{.data = folder / "flag", .weft_data = folder / "variable", .caches = folder / "caches"};
  Remarks remarks;
  CHECK(find_images(places, remarks).train.labels[0] == 1);
  places.data = folder / "flag/fashion-mnist";
  CHECK(find_images(places, remarks).train.labels[0] == 2);
  places.data.clear();
  CHECK(find_images(places, remarks).source == folder / "variable/fashion-mnist");
  places.weft_data.clear();
  CHECK(find_images(places, remarks).train.labels[0] == 3);
  CHECK(remarks.empty());

  std::filesystem::remove(folder / "flag/mnist/t10k-labels-idx1-ubyte.gz");
  places.data = folder / "flag/mnist";
  CHECK(failure_of(places).find("--data") != std::string::npos);
  CHECK(failure_of(places).find("the folder lacks t10k-labels-idx1-ubyte[.gz]") != std::string::npos);
  places.data = folder / "absent";
  for (const auto& [name, bytes] : tiny_files(0)) CHECK(failure_of(places).find(name.substr(0, name.size() - 3)) != std::string::npos);
  places.data.clear();
  places.weft_data = folder / "absent";
  CHECK(failure_of(places).find("WEFT_DATA") != std::string::npos);
  folder.write("flag/fashion-mnist/t10k-labels-idx1-ubyte.gz", "damaged");
  places.data = folder / "flag/fashion-mnist";
  CHECK(failure_of(places).find("magic number") != std::string::npos);
}

TEST_CASE("CIFAR is found under each of its names, in the folders named or the cache") {
  const ScratchFolder folder;
  write_cifar(folder, "flag", CifarKind::ten, 1);
  write_cifar(folder, "flag/cifar10", CifarKind::ten, 2);
  write_cifar(folder, "variable/cifar-10-batches-bin", CifarKind::ten, 3);
  write_cifar(folder, "variable/cifar-100-binary", CifarKind::hundred, 4);
  write_cifar(folder, "variable/cifar100", CifarKind::hundred, 5);
  write_cifar(folder, "caches/cifar10", CifarKind::ten, 6);
  write_cifar(folder, "caches/cifar100", CifarKind::hundred, 7);
  DataPlaces places{.data = folder / "flag", .weft_data = folder / "variable", .caches = folder / "caches"};
  Remarks remarks;
  const auto label = [&](CifarKind kind) { return find_cifar(kind, places, remarks).train.labels[0]; };
  CHECK(label(CifarKind::ten) == 1);
  std::filesystem::remove(folder / "flag/test_batch.bin");
  CHECK(label(CifarKind::ten) == 2);
  places.data.clear();
  CHECK(label(CifarKind::ten) == 3);
  CHECK(label(CifarKind::hundred) == 5);
  std::filesystem::remove(folder / "variable/cifar100/test.bin");
  CHECK(label(CifarKind::hundred) == 4);
  CHECK(find_cifar(CifarKind::hundred, places, remarks).source == folder / "variable/cifar-100-binary");
  places.weft_data.clear();
  CHECK(label(CifarKind::ten) == 6);
  CHECK(label(CifarKind::hundred) == 7);
  CHECK(remarks.empty());
}

TEST_CASE("CIFAR that is not found is one error with the places and the files") {
  const ScratchFolder folder;
  write_cifar(folder, "caches/cifar100", CifarKind::hundred, 7);
  Remarks remarks;
  const auto failure = [&](CifarKind kind, const DataPlaces& places) { return format_error([&] { find_cifar(kind, places, remarks); }); };
  const auto check_named = [](const std::string& message, const std::vector<std::string>& words) {
    for (const std::string& word : words) CHECK_MESSAGE(message.find(word) != std::string::npos, word, " is not in ", message);
  };
  check_named(failure(CifarKind::ten, {.caches = folder / "caches"}),
              {"CIFAR-10 was not found", "tried: " + folder / "caches/cifar10", "data_batch_1.bin", "test_batch.bin", "--data"});
  check_named(failure(CifarKind::ten, {}), {"CIFAR-10 was not found", "no cache"});
  check_named(failure(CifarKind::ten, {.data = folder / "caches/cifar100"}),
              {"--data '" + folder / "caches/cifar100", "the folder lacks data_batch_1.bin[.gz], test_batch.bin[.gz]",
               "in cifar10/ and in cifar-10-batches-bin/ below it"});
  check_named(
      failure(CifarKind::hundred, {.weft_data = folder / "absent"}),
      {"WEFT_DATA", "there is no such folder; wanted in it: train.bin[.gz], test.bin[.gz]", "in cifar100/ and in cifar-100-binary/"});
  check_named(failure(CifarKind::hundred, {.data = folder.write("cifar-100-binary.tar", "x")}),
              {"--data", "that is a file; wanted is a folder with train.bin[.gz], test.bin[.gz]"});
  CHECK(remarks.empty());

  folder.write("caches/cifar100/train.bin", "damaged");
  check_named(failure(CifarKind::hundred, {.data = folder / "caches"}), {"record 0 at byte 0 has 7 of 3074 bytes"});
  check_named(failure(CifarKind::hundred, {.caches = folder / "caches"}),
              {"CIFAR-100 was not found", "the cache is damaged: format error in cifar '" + folder / "caches/cifar100/train.bin"});
}

TEST_CASE("Tiny ImageNet is found as a folder or a tar, and images of one's own in its place") {
  const ScratchFolder folder;
  const std::string jpeg = oracle::plain_jpeg(64, 64, 1, 2, 3);
  const auto write_tiny = [&](const std::string& inside, int classes) {
    std::string wnids, annotations;
    for (int i = 0; i < classes; ++i) {
      const std::string wnid = "n0" + std::to_string(i);
      wnids += wnid + "\n";
      folder.write(inside + "/train/" + wnid + "/images/" + wnid + "_0.JPEG", jpeg);
    }
    folder.write(inside + "/val/images/val_0.JPEG", jpeg);
    folder.write(inside + "/val/val_annotations.txt", "val_0.JPEG\tn00\n");
    folder.write(inside + "/wnids.txt", wnids);
  };
  write_tiny("flag/tiny-imagenet/tiny-imagenet-200", 1);
  write_tiny("variable/tiny-imagenet-200", 2);
  write_tiny("caches/tiny-imagenet", 3);
  for (const char* name : {"train/a", "train/b", "test/a", "test/b"}) folder.write(std::string("own/") + name + "/a.jpg", jpeg);
  folder.write("tars/tiny-imagenet.tar", oracle::tar_bytes({{.name = "wnids.txt"}}));

  DataPlaces places{.data = folder / "flag", .weft_data = folder / "variable", .caches = folder / "caches"};
  Remarks remarks;
  const auto found = [&] { return find_tiny_imagenet(16, places, remarks); };
  const auto failure = [&] { return format_error([&] { found(); }); };
  CHECK(found().source == folder / "flag/tiny-imagenet/tiny-imagenet-200");
  places.data = folder / "own";
  CHECK(found().name == "own images own");
  CHECK(found().train.lattice == Lattice{16, 16, 3});
  for (const char* place : {"tars", "tars/tiny-imagenet.tar"}) {
    places.data = folder / place;
    CHECK(failure().find("'" + (folder / "tars/tiny-imagenet.tar") + "': wnids.txt names no class") != std::string::npos);
  }
  places.data = folder / "caches";  // it has tiny-imagenet/
  CHECK(found().train.classes == 3);
  places.data.clear();
  CHECK(found().train.classes == 2);
  places.weft_data.clear();
  CHECK(found().train.classes == 3);
  CHECK(remarks.empty());

  std::filesystem::remove(folder / "caches/tiny-imagenet/wnids.txt");
  CHECK(failure().find("Tiny ImageNet was not found") != std::string::npos);
  CHECK(failure().find("tried: " + (folder / "caches/tiny-imagenet")) != std::string::npos);
  places.data = folder / "caches/tiny-imagenet";
  CHECK(failure().find("the folder lacks wnids.txt\n") != std::string::npos);
  CHECK(failure().find("or JPEGs of your own in train/<class>/ and test/<class>/") != std::string::npos);
}

TEST_CASE("word texts are found as images are, and a text of one's own in their place") {
  const ScratchFolder folder;
  const auto write = [&](const std::string& inside, const std::string& stem, const std::string& ending, const std::string& text) {
    for (const char* part : {"train", "valid", "test"}) folder.write(cat(inside, "/", stem, part, ending), text);
  };
  write("flag/ptb", "ptb.", ".txt", "a <unk>\n");
  write("env/wikitext-2", "wiki.", ".tokens", "a b <unk>\n");
  write("caches/ptb", "ptb.", ".txt", "a b c <unk>\n");
  write("own", "", ".txt", "mine mine\n");
  const std::string book = folder.write("book.txt", "a a\nb b\nc\nd\ne\nf\ng\nh\ni\nj\n");
  DataPlaces places{.data = folder / "flag", .weft_data = folder / "env", .caches = folder / "caches"};
  Remarks remarks;
  const auto found = [&](TokenSet set) { return find_tokens(set, places, remarks); };
  const auto failure = [&](TokenSet set) { return format_error([&] { found(set); }); };
  CHECK(found(TokenSet::ptb).train.size() == 3);
  CHECK(failure(TokenSet::wikitext2).find("the folder lacks wiki.train.tokens[.gz]") != std::string::npos);
  CHECK(failure(TokenSet::wikitext2).find("or a folder with train.txt, valid.txt and test.txt") != std::string::npos);
  for (const std::string& path : {folder / "own", book}) {
    places.data = path;
    CHECK(found(TokenSet::ptb).source == path);
  }
  places.data.clear();
  CHECK(found(TokenSet::wikitext2).source == folder / "env/wikitext-2");
  places.weft_data.clear();
  CHECK(found(TokenSet::ptb).train.size() == 5);
  CHECK(failure(TokenSet::wikitext2).find("WikiText-2 was not found") != std::string::npos);
  CHECK(remarks.empty());
}

TEST_CASE("labelled texts are found as images are") {
  const ScratchFolder folder;
  const std::string rows = "1,a a\n2,b b\n3,c c\n4,d d\n";
  for (const char* name : {"flag/ag_news/train.csv", "flag/ag_news/test.csv", "caches/ag_news/train.csv", "caches/ag_news/test.csv"})
    folder.write(name, rows);
  DataPlaces places{.data = folder / "flag", .caches = folder / "caches"};
  Remarks remarks;
  const auto found = [&] { return find_ag_news({}, places, remarks); };
  CHECK(found().source == folder / "flag/ag_news");
  places.data = folder / "flag/ag_news";
  CHECK(found().source == folder / "flag/ag_news");
  places.data.clear();
  CHECK(found().source == folder / "caches/ag_news");
  folder.write("caches/ag_news/test.csv", "5,a\n");
  CHECK(format_error([&] { found(); }).find("AG News was not found") != std::string::npos);
  CHECK(remarks.at(0).find("the cache is damaged") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(folder / "absent"));
  places.data = folder / "absent";
  CHECK(format_error([&] { found(); }).find("there is no such folder; wanted in it: train.csv[.gz], test.csv[.gz]") != std::string::npos);
}

TEST_CASE("the environment says where to look") {
  Environment environment;
  environment.set("WEFT_DATA", "/some/where");
  environment.set("XDG_CACHE_HOME", "/caches");
  environment.set("WEFT_MNIST_MIRROR", " http://a/x  https://b/ ");
  DataPlaces places = data_places("/flag");
  CHECK(places.data == "/flag");
  CHECK(places.weft_data == "/some/where");
  CHECK(places.caches == "/caches/weft");
  CHECK(places.mnist.mirrors == std::vector<std::string>{"http://a/x", "https://b/"});
  CHECK(places.mnist.files.size() == 4);
  CHECK(places.mnist.connect_seconds <= 5);
  environment.set("WEFT_DATA", std::nullopt);
  environment.set("XDG_CACHE_HOME", std::nullopt);
  environment.set("HOME", "/home/someone");
  environment.set("WEFT_MNIST_MIRROR", "");
  places = data_places();
  CHECK(places.weft_data.empty());
  CHECK(places.caches == "/home/someone/.cache/weft");
  CHECK(places.mnist.mirrors.empty());
  environment.set("HOME", std::nullopt);
  environment.set("WEFT_MNIST_MIRROR", std::nullopt);
  places = data_places();
  CHECK(places.caches.empty());
  CHECK(places.mnist.mirrors.size() == 2);
}

TEST_CASE("programs report their status and output, also when they cannot start") {
  CHECK(run_program({"sh", "-c", "echo out; echo err >&2; exit 7"}).output == "out\nerr\n");
  CHECK(run_program({"sh", "-c", "exit 7"}).status == 7);
  CHECK(run_program({"sh", "-c", "kill -9 $$"}).status == 137);
  CHECK(run_program({"cat"}).output.empty());  // no standard input
  const ProgramResult none = run_program({"weft-has-no-such-program"});
  CHECK(none.status == 127);
  CHECK(none.output.find("weft-has-no-such-program") != std::string::npos);
}
