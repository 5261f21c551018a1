#include "canonical.hpp"
#include "choice.hpp"
#include "format/pack.hpp"

using namespace backstay::core;

namespace
{

/// The trailers of an object that is as long as the bytes, 4 GiB or longer than anything.
void read_trailers(ByteSpan bytes)
{
    for (const std::uint64_t object_size :
         {std::uint64_t{bytes.size()}, std::uint64_t{UINT32_MAX}, UINT64_MAX}) {
        const auto trailer = decode_pack_trailers(bytes, object_size);
        if (trailer && (trailer->directory_offset > object_size ||
                        trailer->directory_size > object_size - trailer->directory_offset)) {
            found("a directory lies outside of its object");
        }
    }
}

} // namespace

// An input is what to read (1 byte: directory, sealed directory, trailers) and its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return read_by_choice(data, size,
                          {[](ByteSpan bytes) {
                               demand_one_form(bytes, decode_pack_directory, encode_pack_directory);
                           },
                           [](ByteSpan bytes) {
                               demand_one_form(bytes, decode_sealed_directory,
                                               encode_sealed_directory);
                           },
                           read_trailers});
}
