#include "canonical.hpp"
#include "codec/cipher.hpp"
#include "codec/key_pair.hpp"

using namespace backstay::core;

namespace
{

constexpr std::string_view context = "fuzz";

/// Nobody makes up what opens without the key.
void open_wrapped(const Secret& key, ByteSpan bytes)
{
    if (unwrap(key, bytes, context)) {
        found("what nobody wrapped was opened");
    }
}

void open_sealed(const Secret& key, ByteSpan bytes)
{
    if (bytes.size() < seal_overhead) {
        return;
    }
    Cipher cipher(key.span());
    Bytes plain(bytes.size() - seal_overhead, 0xaa);
    if (cipher.open(Nonce{}, as_bytes(context), bytes, plain)) {
        found("what nobody sealed was opened");
    }
    if (plain != Bytes(plain.size(), 0)) {
        found("what was refused was left behind");
    }
}

void check_signature(ByteSpan bytes)
{
    if (bytes.size() < sizeof(PublicKey) + sizeof(Signature)) {
        return;
    }
    PublicKey key{};
    Signature signature{};
    std::memcpy(key.data(), bytes.data(), key.size());
    std::memcpy(signature.data(), bytes.data() + key.size(), signature.size());
    signature_is_good(key, bytes.subspan(key.size() + signature.size()), signature);
}

/// To whatever key: it is wrapped, or the key is refused.
void wrap_to_any(ByteSpan bytes)
{
    if (bytes.size() < sizeof(PublicKey)) {
        return;
    }
    PublicKey key{};
    std::memcpy(key.data(), bytes.data(), key.size());
    accepts([&] { wrap_to(key, bytes, context); });
}

} // namespace

// An input is bytes that somebody calls wrapped, sealed, signed or a public key.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const Secret key = Secret::copy_of(Bytes(32, 0x42));
    const ByteSpan bytes(data, size);
    open_wrapped(key, bytes);
    open_sealed(key, bytes);
    check_signature(bytes);
    wrap_to_any(bytes);
    return 0;
}
