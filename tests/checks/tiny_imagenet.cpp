#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <doctest/doctest.h>

#include <weft/core/parallel.hpp>
#include <weft/data/tiny_imagenet.hpp>
#include <weft/tests/oracle/format_error.hpp>
#include <weft/tests/oracle/jpeg_bytes.hpp>
#include <weft/tests/oracle/largest_allocation.hpp>
#include <weft/tests/oracle/scratch_folder.hpp>
#include <weft/tests/oracle/tar_bytes.hpp>

using namespace weft;
using oracle::format_error;
using oracle::plain_jpeg;
using oracle::ScratchFolder;
using oracle::tar_bytes;
using oracle::TarMember;

namespace {

constexpr std::size_t kMostFile = 1 << 22;  // bytes of a file that a reader takes
constexpr std::size_t kFixedBuffers = 1 << 18;

using Files = std::map<std::string, std::string>;
using Labels = std::vector<std::int32_t>;

/// Images are told apart by their red.
std::string image(int red) { return plain_jpeg(64, 64, static_cast<unsigned char>(red), 100, 50); }

/// Three classes whose order is not that of their names, with images 2 and 10, the second class with one more; four test images.
Files small_tree() {
  return {{"wnids.txt", "n02\nn03\nn01\n"},
          {"words.txt", "n01\tone\nn04\tanother\n"},
          {"train/n01/n01_boxes.txt", "n01_2.JPEG\t0\t0\t63\t63\n"},
          {"train/n01/images/n01_2.JPEG", image(200)},
          {"train/n01/images/n01_10.JPEG", image(210)},
          {"train/n02/images/n02_2.JPEG", image(0)},
          {"train/n02/images/n02_10.JPEG", image(10)},
          {"train/n03/images/n03_2.JPEG", image(100)},
          {"train/n03/images/n03_10.JPEG", image(110)},
          {"train/n03/images/n03_9.JPEG", image(120)},
          {"test/images/test_0.JPEG", "never looked at"},
          {"val/val_annotations.txt", "val_3.JPEG\tn01\t0\t0\t1\t1\nval_11.JPEG\tn03\t0\t0\t1\t1\nval_1.JPEG\tn02\r\nval_2.JPEG\tn02\n\n"},
          {"val/images/val_1.JPEG", image(30)},
          {"val/images/val_2.JPEG", image(40)},
          {"val/images/val_3.JPEG", image(50)},
          {"val/images/val_11.JPEG", image(60)}};
}

std::vector<TarMember> members_of(const Files& files, const std::string& before = "tiny-imagenet-200/") {
  std::vector<TarMember> members;
  for (const auto& [name, bytes] : files) members.push_back({.name = before + name, .bytes = bytes});
  return members;
}

void write_tree(const ScratchFolder& folder, const std::string& inside, const Files& files) {
  for (const auto& [name, bytes] : files) folder.write(inside + "/" + name, bytes);
}

/// Whether the set's images have these reds, in this order.
bool has_reds(const ImageSet& set, const std::vector<int>& reds) {
  if (set.size != static_cast<std::int64_t>(reds.size()) || set.pixels.size() != reds.size() * 64 * 64 * 3) return false;
  for (std::size_t i = 0; i < set.pixels.size(); ++i) {
    const int wanted = i % 3 == 0 ? reds[i / (64 * 64 * 3)] : i % 3 == 1 ? 100 : 50;
    if (std::abs(set.pixels[i] - wanted) > 2) return false;
  }
  return true;
}

void check_small_tree(const std::string& path) {
  const ImageData data = load_tiny_imagenet(path);
  INFO(path);
  CHECK(data.name == "Tiny ImageNet");
  CHECK(data.source == path);
  CHECK(data.train.lattice == Lattice{64, 64, 3});
  CHECK(data.train.classes == 3);
  CHECK(data.train.labels == Labels{0, 0, 1, 1, 1, 2, 2});
  CHECK(has_reds(data.train, {0, 10, 100, 120, 110, 200, 210}));
  CHECK(data.test.lattice == Lattice{64, 64, 3});
  CHECK(data.test.classes == 3);
  CHECK(data.test.labels == Labels{0, 0, 2, 1});
  CHECK(has_reds(data.test, {30, 40, 50, 60}));
}

void check_names(const std::string& message, const std::string& path, const std::string& must_name) {
  CAPTURE(message);
  CAPTURE(must_name);
  CHECK(message.find(path) != std::string::npos);
  CHECK(message.find(must_name) != std::string::npos);
}

void check_tar_refused(const ScratchFolder& folder, const std::string& bytes, const std::string& must_name) {
  const std::string path = folder.write("hostile.tar", bytes);
  check_names(format_error([&] { load_tiny_imagenet(path); }), path, must_name);
}

/// One more member, before all others or behind them.
void check_member_refused(const ScratchFolder& folder, const TarMember& member, const std::string& must_name) {
  std::vector<TarMember> members = members_of(small_tree());
  members.insert(members.begin(), member);
  check_tar_refused(folder, tar_bytes(members), must_name);
  members.erase(members.begin());
  members.push_back(member);
  check_tar_refused(folder, tar_bytes(members), must_name);
}

/// A tar with one file of 2 MiB, all of it a hole but for its first 512 bytes.
std::string sparse_tar() {
  std::string bytes(1 << 16, '\0');
  std::size_t used = 0;
  archive* out = archive_write_new();
  archive_entry* entry = archive_entry_new();
  archive_write_set_format_pax(out);
  archive_write_open_memory(out, bytes.data(), bytes.size(), &used);
  archive_entry_set_pathname(entry, "tiny-imagenet-200/wnids.txt");
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_size(entry, 1 << 21);
  archive_entry_sparse_add_entry(entry, 0, 512);
  archive_write_header(out, entry);
  archive_write_data(out, std::string(512, 'n').data(), 512);
  archive_entry_free(entry);
  archive_write_free(out);
  bytes.resize(used);
  return bytes;
}

/// The small tree with one file's bytes replaced, or without it.
void check_tree_refused(const std::string& name, const std::string& bytes, const std::string& must_name) {
  const ScratchFolder folder;
  Files files = small_tree();
  files[name] = bytes;
  if (bytes == "absent") files.erase(name);
  write_tree(folder, "tree", files);
  check_names(format_error([&] { load_tiny_imagenet(folder / "tree"); }), folder / "tree", must_name);
  check_tar_refused(folder, tar_bytes(members_of(files)), must_name);
}

}  // namespace

TEST_CASE("a folder and tars of it in any order give the same set") {
  const ScratchFolder folder;
  write_tree(folder, "tree", small_tree());
  folder.write("tree/.DS_Store", "hidden");
  folder.write("tree/train/n01/images/._n01_2.JPEG", "hidden");
  check_small_tree(folder / "tree");
  std::vector<TarMember> members = members_of(small_tree());
  check_small_tree(folder.write("sorted.tar", tar_bytes(members)));
  std::reverse(members.begin(), members.end());
  members.insert(members.begin(), {.name = "tiny-imagenet-200/", .type = '5'});
  members.push_back({.name = "tiny-imagenet-200/train/n01/images/._n01_2.JPEG", .bytes = "hidden"});
  check_small_tree(folder.write("reversed.tar", tar_bytes(members)));
  check_small_tree(folder.write("within.tar", tar_bytes(members_of(small_tree(), "./"))));
  check_small_tree(folder.write("dotted.tar", tar_bytes(members_of(small_tree(), "././tiny-imagenet-200/"))));
}

TEST_CASE("the place of a set is its folder, the official one in it, or the tar with the shortest name") {
  const ScratchFolder folder;
  CHECK(tiny_imagenet_place(folder.path()).empty());
  CHECK(tiny_imagenet_place(folder / "absent").empty());
  folder.write("tiny-imagenet-200-first20.tar", "");
  folder.write("another.tar", "");
  folder.write("tiny-imagenet-200.zip", "");
  CHECK(tiny_imagenet_place(folder.path()) == folder / "tiny-imagenet-200-first20.tar");
  folder.write("tiny-imagenet-200.tar", "");
  CHECK(tiny_imagenet_place(folder.path()) == folder / "tiny-imagenet-200.tar");
  CHECK(tiny_imagenet_place(folder / "another.tar") == folder / "another.tar");
  write_tree(folder, "tiny-imagenet-200", small_tree());
  CHECK(tiny_imagenet_place(folder.path()) == folder / "tiny-imagenet-200");
  CHECK(tiny_imagenet_place(folder / "tiny-imagenet-200") == folder / "tiny-imagenet-200");
  std::filesystem::remove(folder / "tiny-imagenet-200/wnids.txt");
  CHECK(missing_tiny_imagenet_files(folder / "tiny-imagenet-200") == std::vector<std::string>{"wnids.txt"});
  CHECK(tiny_imagenet_place(folder / "tiny-imagenet-200").empty());
}

TEST_CASE("classes, images and annotations that do not fit each other are refused") {
  check_tree_refused("wnids.txt", "absent", "wnids.txt is missing");
  check_tree_refused("wnids.txt", "\n\n", "wnids.txt names no class");
  check_tree_refused("wnids.txt", "n02\nn03\nn01\nn02\n", "line 4 of wnids.txt names n02 again");
  check_tree_refused("wnids.txt", "n02\nn03 n01\n", "line 2 of wnids.txt is no wnid: 'n03 n01'");
  check_tree_refused("wnids.txt", "n02\n\nn01\nn03\n", "line 2 of wnids.txt is no wnid: ''");
  check_tree_refused("wnids.txt", "n02\nn03\nn01\nn05\n", "train/n05/images/ holds no image");
  check_tree_refused("wnids.txt", "n02\nn03\n", "train/n01/images/n01_10.JPEG names 'n01', which is not in wnids.txt");
  check_tree_refused("val/val_annotations.txt", "absent", "val/val_annotations.txt is missing");
  check_tree_refused("val/val_annotations.txt", "val_1.JPEG\tn02\nval_2.JPEG\tn02\nval_11.JPEG\tn03\n",
                     "val/images/val_3.JPEG has no line in val/val_annotations.txt");
  check_tree_refused("val/val_annotations.txt", "val_1.JPEG\tn07\t0", "line 1 of val/val_annotations.txt names 'n07', which is not in");
  check_tree_refused("val/val_annotations.txt", "val_1.JPEG\tn02\nval_2.JPEG n02\n", "line 2 of val/val_annotations.txt is not a file and");
  check_tree_refused("val/val_annotations.txt", "val_1.JPEG\tn02\nval_2.JPEG\tn02\nval_1.JPEG\tn02\n",
                     "line 3 of val/val_annotations.txt annotates val/images/val_1.JPEG again");
  check_tree_refused("val/images/val_2.JPEG", "absent", "val/images/val_2.JPEG is annotated but missing");
  check_tree_refused("train/n02/images/n02_2.JPEG", plain_jpeg(64, 65, 1, 2, 3),
                     "train/n02/images/n02_2.JPEG is 65 pixels wide and 64 high");
  check_tree_refused("val/images/val_11.JPEG", image(60).substr(0, 300), "val/images/val_11.JPEG': Premature end");
  check_tree_refused("train/n01/images/n01_2.JPEG", "not a JPEG", "Not a JPEG file");
  check_tree_refused("train/n01/images/notes.txt", "", "'train/n01/images/notes.txt' is no file of Tiny ImageNet");
  check_tree_refused("setup.sh", "", "'setup.sh' is no file of Tiny ImageNet");
}

TEST_CASE("images in a folder that is too deep are not left out without a word") {
  const ScratchFolder folder;
  write_tree(folder, "tree", small_tree());
  folder.write("tree/train/n01/images/more/n01_3.JPEG", image(9));
  check_names(format_error([&] { load_tiny_imagenet(folder / "tree"); }), folder / "tree/train/n01/images/more",
              "more than 3 folders deep");
}

TEST_CASE("the first bad image is named, on any number of threads") {
  const ScratchFolder folder;
  Files files = small_tree();
  for (const char* name : {"train/n02/images/n02_10.JPEG", "train/n01/images/n01_2.JPEG", "train/n03/images/n03_9.JPEG"})
    files[name] = "bad";
  write_tree(folder, "tree", files);
  const int before = threads();
  for (const int count : {1, 2, 5}) {
    set_threads(count);
    check_names(format_error([&] { load_tiny_imagenet(folder / "tree"); }), "n02_10.JPEG", "Not a JPEG");
  }
  set_threads(before);
}

TEST_CASE("a tar that leads elsewhere is refused, and nothing is written") {
  const ScratchFolder folder;
  const std::string root = "tiny-imagenet-200/", in = root + "train/n01/images/";
  check_member_refused(folder, {.name = folder / "escaped", .bytes = "x"}, "has an absolute path");
  check_member_refused(folder, {.name = root + "../../escaped", .bytes = "x"}, "leads out of its folder");
  check_member_refused(folder, {.name = "../escaped/", .type = '5'}, "leads out of its folder");
  check_member_refused(folder, {.name = in + "n01_3.JPEG", .type = '1', .link = in + "n01_2.JPEG"}, "neither a file nor");
  check_member_refused(folder, {.name = in + "n01_3.JPEG", .bytes = image(9), .type = '1', .link = in + "n01_2.JPEG"}, "neither a file");
  check_member_refused(folder, {.name = in + "n01_3.JPEG", .type = '2', .link = "/etc/passwd"}, "neither a file nor");
  check_member_refused(folder, {.name = in + "n01_3.JPEG", .type = '3'}, "neither a file nor");
  check_member_refused(folder, {.name = in + "n01_3.JPEG", .type = '6'}, "neither a file nor");
  check_member_refused(folder, {.name = in + "n01_2.JPEG", .bytes = image(9)}, "train/n01/images/n01_2.JPEG is there twice");
  check_member_refused(folder, {.name = root + "train//n01/./images/n01_2.JPEG", .bytes = image(9)}, "n01_2.JPEG is there twice");
  check_member_refused(folder, {.name = "wnids.txt", .bytes = "n01\n"}, "wnids.txt is there twice");
  check_member_refused(folder, {.name = root + "train/n01/n01_2.JPEG", .bytes = image(9)}, "is no file of Tiny ImageNet");
  check_member_refused(folder, {.name = root + "train/n01/images/deeper/n01_3.JPEG", .bytes = image(9)}, "is no file of");
  check_member_refused(folder, {.name = root + "etc/passwd", .bytes = "root"}, "is no file of Tiny ImageNet");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) CHECK(entry.path().filename() == "hostile.tar");
}

TEST_CASE("sizes that no file of the set has are refused before they are stored") {
  const ScratchFolder folder;
  const std::string name = "tiny-imagenet-200/train/n01/images/n01_3.JPEG";
  oracle::largest_allocation = 0;
  check_member_refused(folder, {.name = name, .size = "77777777777"}, "has 8589934591 bytes; at most 4194304");
  check_member_refused(folder, {.name = "tiny-imagenet-200/words.txt", .size = "00020000001"}, "has 4194305 bytes");
  check_member_refused(folder, {.name = name, .size = std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)}, "size overflow");
  check_member_refused(folder, {.name = name, .size = std::string(12, '\xff')}, "hostile.tar");
  CHECK(oracle::largest_allocation < kFixedBuffers);
  check_tar_refused(folder, sparse_tar(), "the member 'tiny-imagenet-200/wnids.txt' is a sparse file");
  CHECK(oracle::largest_allocation < kFixedBuffers);
  check_tar_refused(folder, tar_bytes({{.name = name, .size = "00017777777"}}), "Truncated tar archive");
  CHECK(oracle::largest_allocation < kMostFile + kFixedBuffers);

  write_tree(folder, "tree", small_tree());
  std::filesystem::resize_file(folder / "tree/wnids.txt", kMostFile + 1);
  oracle::largest_allocation = 0;
  check_names(format_error([&] { load_tiny_imagenet(folder / "tree"); }), folder / "tree/wnids.txt", "has 4194305 bytes; at most 4194304");
  CHECK(oracle::largest_allocation < kFixedBuffers);
}

TEST_CASE("a tar that ends early, and what is no tar, is refused") {
  const ScratchFolder folder;
  const std::string bytes = tar_bytes(members_of(small_tree()));  // wnids.txt and words.txt are last
  for (std::size_t length = 0; length + 2 * 512 + 2 * 1024 < bytes.size(); length += 97)
    check_tar_refused(folder, bytes.substr(0, length), "hostile.tar");
  std::vector<TarMember> members = members_of(small_tree());
  std::reverse(members.begin(), members.end());  // images are last: what a cut between two of them leaves would do
  const std::string reversed = tar_bytes(members);
  for (std::size_t length = 512; length + 1024 <= reversed.size(); length += 512)
    check_tar_refused(folder, reversed.substr(0, length), "hostile.tar");
  check_tar_refused(folder, reversed.substr(0, reversed.size() - 1024), "lacks the blocks of zeros that end a tar");
  check_tar_refused(folder, reversed + tar_bytes({{.name = "train/n02/images/n02_1.JPEG"}}), "more bytes follow the end of the archive");
  check_tar_refused(folder, std::string(2048, 'x'), "must be a plain, whole tar");
  check_tar_refused(folder, "PK\x03\x04 a zip", "unpack any other and name the folder");
  check_tar_refused(folder, tar_bytes({}), "wnids.txt is missing");
  check_names(format_error([&] { load_tiny_imagenet(folder / "absent.tar"); }), folder / "absent.tar", "No such file");
}

TEST_CASE("mutated tars raise FormatError or nothing") {
  const ScratchFolder folder;
  Files files = small_tree();
  for (const char* unused : {"words.txt", "test/images/test_0.JPEG", "train/n01/n01_boxes.txt"}) files.erase(unused);
  const std::string bytes = tar_bytes(members_of(files));
  int refused = 0;
  oracle::largest_allocation = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const std::string path = folder.write("mutated.tar", oracle::mutated(bytes, i));
    CHECK_NOTHROW(refused += format_error([&] { load_tiny_imagenet(path); }).empty() ? 0 : 1);
  }
  CHECK(refused > 500);
  CHECK(oracle::largest_allocation < kMostFile + kFixedBuffers);
}
