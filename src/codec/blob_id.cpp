#include "codec/blob_id.hpp"

namespace backstay::core
{

BlobId BlobNamer::name(BlobKind kind, ByteSpan plain) const
{
    const auto head = static_cast<std::uint8_t>(kind);
    return BlobId{mac_.of({&head, 1}, plain)};
}

} // namespace backstay::core
