#include "repo/frame_reader.hpp"

#include "base/error.hpp"
#include "repo/repository.hpp"

namespace backstay::core
{

FrameReader::FrameReader(Repository& repository, std::size_t room)
    : repository_(repository), connections_(repository.store().describe({}).max_concurrency),
      expected_(repository.store(), room, connections_)
{
}

FrameCache::Plain FrameReader::read(const FrameCache::Key& key, const IndexedFrame& frame,
                                    std::string& why, const std::stop_token& stop)
{
    try {
        std::unique_ptr<FrameOpener> opener = take_opener();
        auto plain = std::make_shared<Bytes>(frame.plain_size);
        const bool opened = open(*opener, key, frame, *plain, why, stop);
        give_back(std::move(opener));
        return opened ? plain : nullptr;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::cancelled || error.code() == ErrorCode::denied ||
            error.code() == ErrorCode::unavailable) {
            throw;
        }
        why = error.code() == ErrorCode::not_found ? "the pack is missing" : error.what();
        return nullptr;
    }
}

bool FrameReader::open(FrameOpener& opener, const FrameCache::Key& key, const IndexedFrame& frame,
                       MutableByteSpan plain, std::string& why, const std::stop_token& stop)
{
    const std::optional<Bytes> expected = expected_.take(key, stop);
    if (expected && opener.open(frame, *expected, plain)) {
        return true;
    }
    Bytes stored(frame.stored_size);
    if (repository_.store().get(pack_key(key.first), frame.offset, stored, stop) != stored.size()) {
        why = "the pack is cut short";
        return false;
    }
    if (!opener.open(frame, stored, plain)) {
        why = "its frame does not open";
        return false;
    }
    if (fetches_ahead()) {
        expected_.keep({key, {frame.offset, frame.offset + frame.stored_size}}, std::move(stored));
    }
    return true;
}

std::unique_ptr<FrameOpener> FrameReader::take_opener()
{
    const std::lock_guard lock(mutex_);
    if (openers_.empty()) {
        return std::make_unique<FrameOpener>(repository_.keys());
    }
    std::unique_ptr<FrameOpener> opener = std::move(openers_.back());
    openers_.pop_back();
    return opener;
}

void FrameReader::give_back(std::unique_ptr<FrameOpener> opener)
{
    const std::lock_guard lock(mutex_);
    openers_.push_back(std::move(opener));
}

} // namespace backstay::core
