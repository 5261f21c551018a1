#include "engine/entry_log.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"

#include <cstring>

namespace backstay::core
{

EntryLog::EntryLog(std::string temporary_folder) : temporary_folder_(std::move(temporary_folder)) {}

void EntryLog::add(const Entry& entry)
{
    Bytes record;
    Encoder encoder(record);
    encode_entry(encoder, entry);
    const std::lock_guard lock(mutex_);
    Encoder(buffer_).blob(record);
    if (buffer_.size() >= memory_limit) {
        spill();
    }
}

void EntryLog::spill()
{
    if (!file_) {
        file_ = open_unnamed_file(temporary_folder_);
    }
    write_at(file_.get(), in_file_, buffer_, temporary_folder_);
    in_file_ += buffer_.size();
    buffer_.clear();
}

void EntryLog::take(const std::function<void(Bytes)>& each)
{
    const std::lock_guard lock(mutex_);
    Bytes window;
    std::uint64_t read = 0;
    constexpr std::size_t step = 1 * MiB;
    // Records are whole in the file, but not in a window of it: what is left of one is put before
    // the next.
    const auto give_whole_ones = [&each](Bytes& bytes) {
        std::size_t done = 0;
        while (done < bytes.size()) {
            Decoder decoder(ByteSpan(bytes).subspan(done), "entry log");
            ByteSpan record;
            try {
                record = decoder.blob(bytes.size());
            } catch (const Error&) {
                break; // cut short by the window
            }
            each(Bytes(record.begin(), record.end()));
            done = bytes.size() - decoder.remaining();
        }
        bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(done));
    };
    while (read < in_file_) {
        const std::size_t before = window.size();
        window.resize(before +
                      static_cast<std::size_t>(std::min<std::uint64_t>(step, in_file_ - read)));
        const std::size_t got =
            read_at(file_.get(), read, MutableByteSpan(window).subspan(before), temporary_folder_);
        if (got < window.size() - before) {
            throw Error(ErrorCode::storage, "a temporary file became shorter", temporary_folder_);
        }
        read += got;
        give_whole_ones(window);
    }
    append(window, buffer_);
    give_whole_ones(window);
    buffer_.clear();
    in_file_ = 0;
}

bool EntryLog::empty() const
{
    const std::lock_guard lock(mutex_);
    return buffer_.empty() && in_file_ == 0;
}

} // namespace backstay::core
