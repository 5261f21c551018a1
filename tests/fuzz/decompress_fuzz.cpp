#include "codec/compression.hpp"

#include <cstdlib>

using namespace backstay::core;

// An input is an encoding (1 byte), the promised size (3 bytes, of which
// 18 bits count: larger ones only take time) and the encoded bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 4) {
        return 0;
    }
    static Decompressor decompressor;
    const auto encoding = static_cast<Encoding>(data[0]);
    const std::size_t promised = data[1] | data[2] << 8U | (data[3] & 3U) << 16U;
    const ByteSpan encoded(data + 4, size - 4);

    Bytes plain(promised, 0xaa);
    const bool decoded = decompressor.decode(encoding, encoded, plain);
    Bytes again(promised, 0x55);
    if (decompressor.decode(encoding, encoded, again) != decoded || (decoded && plain != again)) {
        std::abort(); // bytes that were never written, or a context that remembers
    }
    if (decoded && encoding == Encoding::raw && !equal(encoded, plain)) {
        std::abort();
    }
    return 0;
}
