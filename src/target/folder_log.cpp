#include "target/folder_log.hpp"

#include "format/encoding.hpp"

#include <algorithm>

namespace backstay::core
{

namespace
{

constexpr std::size_t largest_tail = 4 * MiB;

Bytes encode(const WaitingFolder& folder)
{
    Bytes bytes;
    Encoder to(bytes);
    to.u8(static_cast<std::uint8_t>(folder.origin));
    to.u8(static_cast<std::uint8_t>(folder.wanted));
    to.varint(folder.locks);
    to.u8(folder.mode ? 1 : 0);
    to.varint(folder.mode.value_or(0));
    to.text(folder.entry.path);
    Entry entry = folder.entry;
    entry.path = "folder"; // an entry's own field is meant for one name
    encode_entry(to, entry);
    return bytes;
}

WaitingFolder decode(ByteSpan bytes)
{
    Decoder from(bytes, "log of folders");
    WaitingFolder folder;
    folder.origin = static_cast<WaitingFolder::Origin>(from.u8());
    folder.wanted = static_cast<WaitingFolder::Wanted>(from.u8());
    folder.locks = from.varint();
    const bool has_mode = from.u8() != 0;
    const auto mode = static_cast<std::uint32_t>(from.varint());
    if (has_mode) {
        folder.mode = mode;
    }
    std::string path = from.text(max_path_size);
    folder.entry = decode_entry(from);
    folder.entry.path = std::move(path);
    return folder;
}

} // namespace

void FolderLog::add(const WaitingFolder& folder)
{
    offsets_.push_back(spilled_ + tail_.size());
    append(tail_, encode(folder));
    if (tail_.size() > largest_tail) {
        spill();
    }
}

void FolderLog::spill()
{
    if (!file_) {
        file_ = open_unnamed_file(temporary_folder());
    }
    write_at(file_.get(), spilled_, tail_, "the list of folders");
    spilled_ += tail_.size();
    tail_.clear();
}

Bytes FolderLog::record(std::size_t index) const
{
    const std::uint64_t begin = offsets_[index];
    const std::uint64_t end =
        index + 1 < offsets_.size() ? offsets_[index + 1] : spilled_ + tail_.size();
    if (begin >= spilled_) {
        const auto from = tail_.begin() + static_cast<std::ptrdiff_t>(begin - spilled_);
        return {from, from + static_cast<std::ptrdiff_t>(end - begin)};
    }
    Bytes bytes(end - begin);
    bytes.resize(read_at(file_.get(), begin, bytes, "the list of folders"));
    return bytes;
}

void FolderLog::drain(const std::function<void(const WaitingFolder&)>& each)
{
    while (!offsets_.empty()) {
        const std::size_t last = offsets_.size() - 1;
        const WaitingFolder folder = decode(record(last));
        const std::uint64_t begin = offsets_.back();
        offsets_.pop_back();
        tail_.resize(begin >= spilled_ ? begin - spilled_ : 0);
        spilled_ = std::min(spilled_, begin);
        each(folder);
    }
}

} // namespace backstay::core
