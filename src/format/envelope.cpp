#include "format/envelope.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::string_view magic = "BSTYENV0"; ///< the last character is the format's version
constexpr std::size_t max_features = 64;
constexpr std::size_t max_feature_name = 64;

void encode_head(Encoder& to, const Envelope& envelope)
{
    to.raw(as_bytes(magic));
    to.varint(envelope.features.size());
    for (const std::string& feature : envelope.features) {
        to.text(feature);
    }
    to.u8(static_cast<std::uint8_t>(envelope.type));
    to.u8(static_cast<std::uint8_t>(envelope.key_class));
    encode_key_record(to, envelope.key_record);
    to.raw(envelope.nonce);
}

std::vector<std::string> decode_features(Decoder& from)
{
    const std::size_t count = from.count(2);
    if (count > max_features) {
        from.fail("it claims too many features");
    }
    std::vector<std::string> features(count);
    for (std::string& feature : features) {
        feature = from.text(max_feature_name);
        if (!feature_is_known(feature)) {
            throw Error(ErrorCode::unsupported,
                        fmt::format("this was written with the feature '{}', which this version of "
                                    "backstay does not know: use a newer one",
                                    feature));
        }
    }
    return features;
}

} // namespace

bool feature_is_known(std::string_view feature)
{
    static_cast<void>(feature);
    return false; // version 0 has none beyond its base
}

Bytes Envelope::signed_part() const
{
    Bytes out;
    Encoder to(out);
    encode_head(to, *this);
    to.blob(body);
    to.id(signer);
    return out;
}

Bytes encode_envelope(const Envelope& envelope)
{
    Bytes out = envelope.signed_part();
    append(out, envelope.signature);
    return out;
}

Envelope decode_envelope(ByteSpan bytes)
{
    Decoder from(bytes, "envelope");
    if (bytes.size() > max_envelope_size) {
        from.fail("it is too large");
    }
    const ByteSpan start = from.raw(magic.size());
    if (!equal(start.first(magic.size() - 1), as_bytes(magic.substr(0, magic.size() - 1)))) {
        from.fail("it does not begin like one");
    }
    if (start.back() != static_cast<std::uint8_t>(magic.back())) {
        throw Error(ErrorCode::unsupported,
                    "this was written by a version of backstay with another repository format");
    }
    Envelope envelope;
    envelope.features = decode_features(from);
    const std::uint8_t type = from.u8();
    const std::uint8_t key_class = from.u8();
    if (type < static_cast<std::uint8_t>(ObjectType::config) ||
        type > static_cast<std::uint8_t>(ObjectType::condemnation)) {
        from.fail("it is of an unknown type");
    }
    if (key_class > static_cast<std::uint8_t>(KeyClass::data)) {
        from.fail("it is of an unknown class");
    }
    envelope.type = static_cast<ObjectType>(type);
    envelope.key_class = static_cast<KeyClass>(key_class);
    envelope.key_record = decode_key_record(from);
    const ByteSpan nonce = from.raw(envelope.nonce.size());
    std::copy(nonce.begin(), nonce.end(), envelope.nonce.begin());
    const ByteSpan body = from.blob(max_envelope_size);
    envelope.body.assign(body.begin(), body.end());
    envelope.signer = from.id<SlotId>();
    const ByteSpan signature = from.raw(envelope.signature.size());
    std::copy(signature.begin(), signature.end(), envelope.signature.begin());
    from.finish();
    return envelope;
}

Bytes envelope_associated_data(const RepositoryId& repository, const Envelope& envelope)
{
    Bytes out;
    Encoder to(out);
    to.id(repository);
    encode_head(to, envelope);
    return out;
}

} // namespace backstay::core
