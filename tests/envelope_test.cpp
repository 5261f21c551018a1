#include "format/envelope.hpp"

#include "format/encoding.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

Envelope sample()
{
    Envelope envelope;
    envelope.type = ObjectType::note;
    envelope.key_class = KeyClass::meta;
    envelope.key_record = {KeyRecord::Kind::salt, 3, Bytes(32, 0x11)};
    envelope.nonce.fill(0x22);
    envelope.body = {1, 2, 3};
    envelope.signer = id_of<SlotId>(0x33);
    envelope.signature.fill(0x44);
    return envelope;
}

Envelope random_envelope(SeededNumbers& numbers)
{
    Envelope envelope;
    envelope.type = static_cast<ObjectType>(1 + numbers.below(9));
    envelope.key_class = static_cast<KeyClass>(numbers.below(4));
    envelope.key_record = random_key_record(numbers);
    randomize(numbers, envelope.nonce);
    envelope.body = seeded_bytes(numbers.next(), numbers.below(300));
    envelope.signer = random_id<SlotId>(numbers);
    randomize(numbers, envelope.signature);
    return envelope;
}

const std::string magic_hex = "42535459454e5630"; // BSTYENV0

/// Code of what decode_envelope throws; internal if it throws nothing.
ErrorCode refusal(const Bytes& bytes)
{
    try {
        decode_envelope(bytes);
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::internal;
}

} // namespace

TEST_CASE("an envelope has the bytes that the format says")
{
    CHECK(to_hex(encode_envelope(sample())) == magic_hex +
                                                   "00"
                                                   "0802"
                                                   "0103" +
                                                   repeated_hex(0x11, 32) + repeated_hex(0x22, 12) +
                                                   "03010203" + repeated_hex(0x33, 32) +
                                                   repeated_hex(0x44, 64));
}

TEST_CASE("envelopes come back")
{
    SeededNumbers numbers(7);
    for (int i = 0; i < 300; ++i) {
        const Envelope envelope = random_envelope(numbers);
        const Bytes bytes = encode_envelope(envelope);
        const Envelope back = decode_envelope(bytes);
        CHECK(back.type == envelope.type);
        CHECK(back.key_class == envelope.key_class);
        CHECK(back.key_record == envelope.key_record);
        CHECK(back.nonce == envelope.nonce);
        CHECK(back.body == envelope.body);
        CHECK(back.signer == envelope.signer);
        CHECK(back.signature == envelope.signature);
        CHECK(encode_envelope(back) == bytes);
    }
}

TEST_CASE("a damaged envelope is refused or is another one")
{
    const Bytes bytes = encode_envelope(sample());
    CHECK(refuses_every_truncation(bytes, decode_envelope));
    CHECK(withstands_every_changed_byte(bytes, decode_envelope, encode_envelope));
}

TEST_CASE("all of an envelope but its signature is signed")
{
    const Bytes bytes = encode_envelope(sample());
    const Bytes part = sample().signed_part();
    CHECK(part.size() + sizeof(Signature) == bytes.size());
    CHECK(equal(part, ByteSpan(bytes).first(part.size())));
}

TEST_CASE("what is authenticated beside a body changes with all that stands before it")
{
    const auto repository = id_of<RepositoryId>(0x55);
    const Bytes original = envelope_associated_data(repository, sample());
    CHECK(envelope_associated_data(id_of<RepositoryId>(0x56), sample()) != original);
    Envelope changed = sample();
    changed.type = ObjectType::snapshot;
    CHECK(envelope_associated_data(repository, changed) != original);
    changed = sample();
    changed.key_class = KeyClass::index;
    CHECK(envelope_associated_data(repository, changed) != original);
    changed = sample();
    changed.key_record.epoch = 4;
    CHECK(envelope_associated_data(repository, changed) != original);
    changed = sample();
    changed.nonce[11] = 0;
    CHECK(envelope_associated_data(repository, changed) != original);
}

TEST_CASE("an envelope of another format version is unsupported, not damaged")
{
    Bytes bytes = encode_envelope(sample());
    bytes[7] = '1';
    CHECK(refusal(bytes) == ErrorCode::unsupported);
    bytes[6] = 'X';
    CHECK(refusal(bytes) == ErrorCode::damaged);
}

TEST_CASE("an envelope with an unknown feature is refused by the feature's name")
{
    Envelope envelope = sample();
    envelope.features = {"time-travel"};
    CHECK(refusal(encode_envelope(envelope)) == ErrorCode::unsupported);
    CHECK_THROWS_WITH_AS(decode_envelope(encode_envelope(envelope)),
                         doctest::Contains("'time-travel'"), Error);
}

TEST_CASE("an envelope of an unknown type, class or key record is refused")
{
    for (const int type : {0, 10, 255}) {
        Envelope envelope = sample();
        envelope.type = static_cast<ObjectType>(type);
        CHECK(refusal(encode_envelope(envelope)) == ErrorCode::damaged);
    }
    Envelope envelope = sample();
    envelope.key_class = static_cast<KeyClass>(4);
    CHECK(refusal(encode_envelope(envelope)) == ErrorCode::damaged);
    envelope = sample();
    envelope.key_record.kind = static_cast<KeyRecord::Kind>(3);
    CHECK(refusal(encode_envelope(envelope)) == ErrorCode::damaged);
}

TEST_CASE("an envelope that claims more than it holds is refused")
{
    const std::string endless = "ffffffffffffffffff01";
    CHECK(refusal(*from_hex(magic_hex + endless)) == ErrorCode::damaged);
    CHECK(refusal(*from_hex(magic_hex + "000100" + "00" + repeated_hex(0, 12) + endless)) ==
          ErrorCode::damaged);
    CHECK(refusal(*from_hex(magic_hex + "000100" + "00" + repeated_hex(0, 12) + "8008" +
                            repeated_hex(0, 96))) == ErrorCode::damaged);
}

TEST_CASE("what follows an envelope is refused")
{
    Bytes bytes = encode_envelope(sample());
    bytes.push_back(0);
    CHECK(refusal(bytes) == ErrorCode::damaged);
}
