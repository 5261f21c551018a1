#include "engine/existing_bytes.hpp"

#include <algorithm>

namespace backstay::core
{

bool ExistingBytes::equals(std::uint64_t offset, const ContentItem& item)
{
    return item.is_hole() ? hole_equals(offset, item.length) : chunk_equals(offset, item);
}

bool ExistingBytes::chunk_equals(std::uint64_t offset, const ContentItem& item)
{
    buffer_.resize(static_cast<std::size_t>(item.length));
    return read_(offset, buffer_) == buffer_.size() &&
           keys_.namer().name(BlobKind::data, buffer_) == item.id;
}

bool ExistingBytes::hole_equals(std::uint64_t offset, std::uint64_t length)
{
    constexpr std::uint64_t step = 256 * KiB;
    while (length > 0) {
        const std::uint64_t data = next_data_ ? next_data_(offset) : offset;
        if (data > offset) {
            const std::uint64_t zeros = std::min(data - offset, length);
            offset += zeros;
            length -= zeros;
            continue;
        }
        const auto size = static_cast<std::size_t>(std::min(step, length));
        buffer_.resize(size);
        if (read_(offset, buffer_) != size || !is_zero(buffer_)) {
            return false;
        }
        offset += size;
        length -= size;
    }
    return true;
}

} // namespace backstay::core
