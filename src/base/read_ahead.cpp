#include "base/read_ahead.hpp"

#include <utility>

namespace backstay::core
{

namespace
{

constexpr std::size_t block_size = 256 * KiB; // so that the threads seldom wake each other
constexpr std::size_t most_blocks = 8;

} // namespace

ReadAhead::ReadAhead(Read read, const std::stop_token& stop)
    : read_(std::move(read)), blocks_(most_blocks), spare_(most_blocks), worker_(stop)
{
    worker_.start("read ahead", [this](const std::stop_token& stopped) {
        try {
            run(stopped);
        } catch (...) {
            blocks_.close();
            throw;
        }
        blocks_.close();
    });
}

ReadAhead::~ReadAhead()
{
    blocks_.close();
    worker_.request_stop();
}

void ReadAhead::run(const std::stop_token& stop)
{
    Bytes block;
    for (ByteSpan bytes = read_(); !bytes.empty(); bytes = read_()) {
        if (block.empty()) {
            block.reserve(block_size);
        }
        block.insert(block.end(), bytes.begin(), bytes.end());
        if (block.size() >= block_size) {
            if (!blocks_.push(std::move(block), stop)) {
                return; // nobody takes any more
            }
            block = spare_.try_pop().value_or(Bytes());
        }
    }
    if (!block.empty()) {
        blocks_.push(std::move(block), stop);
    }
}

ByteSpan ReadAhead::next()
{
    if (!current_.empty()) {
        current_.clear();
        spare_.try_push(std::move(current_));
    }
    std::optional<Bytes> block = blocks_.pop();
    if (!block) {
        worker_.join(); // throws what `read` threw
        throw_if_stopped(worker_.stop_token());
        return {};
    }
    current_ = std::move(*block);
    return current_;
}

} // namespace backstay::core
