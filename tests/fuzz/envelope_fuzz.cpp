#include "canonical.hpp"
#include "format/envelope.hpp"

using namespace backstay::core;

// An input is an envelope.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    const ByteSpan bytes(data, size);
    demand_one_form(bytes, decode_envelope, encode_envelope);
    accepts([&] {
        const Envelope envelope = decode_envelope(bytes);
        if (!equal(envelope.signed_part(), bytes.first(size - sizeof(Signature)))) {
            found("what is signed is not what was read");
        }
    });
    return 0;
}
