#include "format/repository_records.hpp"

#include "format/encoding.hpp"
#include "support/hostile_bytes.hpp"
#include "support/random_records.hpp"

using namespace backstay::core;

namespace
{

template <std::size_t N>
std::array<std::uint8_t, N> filled(std::uint8_t byte)
{
    std::array<std::uint8_t, N> bytes{};
    bytes.fill(byte);
    return bytes;
}

Secret secret_of(std::uint8_t byte)
{
    return Secret::copy_of(Bytes(32, byte));
}

Bytes bytes_of(const Secret& secret)
{
    return Bytes(secret.span().begin(), secret.span().end());
}

ConfigRecord sample_config()
{
    ConfigRecord config;
    config.number = 3;
    config.repository = id_of<RepositoryId>(0x11);
    config.created = {1, 2};
    return config;
}

KeyringRecord sample_keyring()
{
    KeyringRecord keyring;
    keyring.epoch = 2;
    keyring.repository = id_of<RepositoryId>(0x11);
    keyring.created = {1, 2};
    keyring.slots = {{id_of<SlotId>(0x22), Role::writer, "l", filled<32>(0x33), filled<32>(0x44),
                      Bytes{1, 2, 3}}};
    keyring.meta_public = filled<32>(0x55);
    keyring.data_public = filled<32>(0x66);
    return keyring;
}

SlotRecord sample_slot()
{
    SlotRecord slot;
    slot.id = id_of<SlotId>(0x22);
    slot.repository = id_of<RepositoryId>(0x11);
    slot.opener = SlotRecord::Opener::passphrase;
    slot.created = {1, 2};
    slot.label = "l";
    slot.cost = {3, 300};
    slot.salt = filled<16>(0x33);
    slot.value = {4};
    slot.sealed = {5, 6};
    return slot;
}

ClassKeys sample_keys()
{
    ClassKeys keys;
    keys.id = secret_of(0x11);
    keys.epochs.resize(2);
    keys.epochs[0].index = secret_of(0x22);
    keys.epochs[1].epoch = 2;
    keys.epochs[1].data = secret_of(0x33);
    return keys;
}

SessionRecord sample_session()
{
    return {id_of<SessionId>(0x11), {1, 2}, "h", "b", 300, 4, "backup"};
}

TombstoneRecord sample_tombstone()
{
    return {id_of<SessionId>(0x11), {1, 2}, "r"};
}

CondemnationRecord sample_condemnation()
{
    return {7, {1, 2}, {id_of<PackId>(0x11)}, {id_of<SessionId>(0x22), id_of<SessionId>(0x33)}};
}

NoteRecord sample_note()
{
    return {id_of<SessionId>(0x11),
            id_of<SessionId>(0x22),
            {1, 2},
            {id_of<SessionId>(0x33)},
            std::vector<std::string>{"t", ""},
            true,
            "c",
            {id_of<BlobId>(0x44)}};
}

NoteRecord random_note(SeededNumbers& numbers)
{
    NoteRecord note;
    note.id = random_id<SessionId>(numbers);
    note.snapshot = random_id<SessionId>(numbers);
    note.time = random_time(numbers);
    for (std::size_t left = numbers.below(4); left > 0; --left) {
        note.replaces.push_back(random_id<SessionId>(numbers));
        note.lost.push_back(random_id<BlobId>(numbers));
    }
    if (random_flag(numbers)) {
        note.tags = random_texts(numbers);
    }
    if (random_flag(numbers)) {
        note.pinned = random_flag(numbers);
    }
    if (random_flag(numbers)) {
        note.comment = random_text(numbers);
    }
    return note;
}

KeyringRecord random_keyring(SeededNumbers& numbers)
{
    KeyringRecord keyring;
    keyring.epoch = static_cast<std::uint32_t>(random_number(numbers));
    keyring.repository = random_id<RepositoryId>(numbers);
    keyring.created = random_time(numbers);
    keyring.slots.resize(numbers.below(4));
    for (KeyringSlot& slot : keyring.slots) {
        slot.id = random_id<SlotId>(numbers);
        slot.role = static_cast<Role>(1 + numbers.below(4));
        slot.label = random_text(numbers);
        randomize(numbers, slot.agreement);
        randomize(numbers, slot.signing);
        slot.wrapped = seeded_bytes(numbers.next(), numbers.below(300));
    }
    randomize(numbers, keyring.meta_public);
    randomize(numbers, keyring.data_public);
    return keyring;
}

SlotRecord random_slot(SeededNumbers& numbers)
{
    SlotRecord slot;
    slot.id = random_id<SlotId>(numbers);
    slot.repository = random_id<RepositoryId>(numbers);
    slot.opener = static_cast<SlotRecord::Opener>(numbers.below(4));
    slot.created = random_time(numbers);
    slot.label = random_text(numbers);
    slot.cost = {static_cast<std::uint32_t>(random_number(numbers)),
                 static_cast<std::uint32_t>(random_number(numbers))};
    randomize(numbers, slot.salt);
    slot.value = seeded_bytes(numbers.next(), numbers.below(40));
    slot.sealed = seeded_bytes(numbers.next(), numbers.below(300));
    return slot;
}

/// Class keys and a slot's secrets are compared by their bytes: they have no other equality.
Bytes class_keys_again(ByteSpan bytes)
{
    return bytes_of(encode_class_keys(decode_class_keys(bytes)));
}

Bytes slot_secrets_again(ByteSpan bytes)
{
    return bytes_of(encode_slot_secrets(decode_slot_secrets(bytes)));
}

Bytes itself(const Bytes& bytes)
{
    return bytes;
}

/// Refuses everything shorter, and whatever byte is changed decodes to nothing or to what has the
/// changed bytes as its only form.
template <typename Decode, typename Encode>
void check_damage(const Bytes& bytes, Decode decode, Encode encode)
{
    CHECK(refuses_every_truncation(bytes, decode));
    CHECK(withstands_every_changed_byte(bytes, decode, encode));
    Bytes longer = bytes;
    longer.push_back(0);
    CHECK(is_refused(longer, decode));
}

/// Code of what decode_config throws; internal if it throws nothing.
ErrorCode config_refusal(const ConfigRecord& config)
{
    try {
        decode_config(encode_config(config));
    } catch (const Error& error) {
        return error.code();
    }
    return ErrorCode::internal;
}

const std::string endless = "ffffffffffffffffff01";
const std::string zero_id = repeated_hex(0, 32);
const std::string zero_time = "0000";

} // namespace

TEST_CASE("records of a repository have the bytes that the format says")
{
    const std::string time = "0202";
    CHECK(to_hex(encode_config(sample_config())) == "0003" + repeated_hex(0x11, 32) + time +
                                                        "00"
                                                        "02"
                                                        "01"
                                                        "808004"
                                                        "80808010");
    CHECK(to_hex(encode_keyring(sample_keyring())) ==
          "02" + repeated_hex(0x11, 32) + time + "01" + repeated_hex(0x22, 32) + "03" + "016c" +
              repeated_hex(0x33, 32) + repeated_hex(0x44, 32) + "03010203" +
              repeated_hex(0x55, 32) + repeated_hex(0x66, 32));
    CHECK(to_hex(encode_slot(sample_slot())) == repeated_hex(0x22, 32) + repeated_hex(0x11, 32) +
                                                    "01" + time + "016c" + "03ac02" +
                                                    repeated_hex(0x33, 16) + "0104" + "020506");
    CHECK(to_hex(encode_session(sample_session())) == repeated_hex(0x11, 32) + time +
                                                          "0168"
                                                          "0162"
                                                          "ac02"
                                                          "04"
                                                          "066261636b7570");
    CHECK(to_hex(encode_tombstone(sample_tombstone())) == repeated_hex(0x11, 32) + time + "0172");
    CHECK(to_hex(encode_condemnation(sample_condemnation())) ==
          "07" + time + "01" + repeated_hex(0x11, 32) + "02" + repeated_hex(0x22, 32) +
              repeated_hex(0x33, 32));
    CHECK(to_hex(encode_note(sample_note())) == repeated_hex(0x11, 32) + repeated_hex(0x22, 32) +
                                                    time + "01" + repeated_hex(0x33, 32) +
                                                    "01"
                                                    "02017400"
                                                    "0101"
                                                    "010163"
                                                    "01" +
                                                    repeated_hex(0x44, 32));
    CHECK(to_hex(bytes_of(encode_class_keys(sample_keys()))) ==
          "01" + repeated_hex(0x11, 32) + "00" + "02" + "01" + "01" + repeated_hex(0x22, 32) +
              "0000" + "02" + "0000" + "01" + repeated_hex(0x33, 32));
    CHECK(to_hex(bytes_of(
              encode_slot_secrets({secret_of(0x11), secret_of(0x22), filled<32>(0x33)}))) ==
          repeated_hex(0x11, 32) + repeated_hex(0x22, 32) + repeated_hex(0x33, 32));
}

TEST_CASE("records of a repository come back")
{
    CHECK(decode_config(encode_config(sample_config())) == sample_config());
    CHECK(decode_session(encode_session(sample_session())) == sample_session());
    CHECK(decode_tombstone(encode_tombstone(sample_tombstone())) == sample_tombstone());
    CHECK(decode_condemnation(encode_condemnation(sample_condemnation())) == sample_condemnation());
    SeededNumbers numbers(31);
    for (int i = 0; i < 200; ++i) {
        const NoteRecord note = random_note(numbers);
        CHECK(decode_note(encode_note(note)) == note);
        const KeyringRecord keyring = random_keyring(numbers);
        CHECK(decode_keyring(encode_keyring(keyring)) == keyring);
        const SlotRecord slot = random_slot(numbers);
        CHECK(decode_slot(encode_slot(slot)) == slot);
        CHECK(slot_associated_data(decode_slot(encode_slot(slot))) == slot_associated_data(slot));
        const SessionRecord session{random_id<SessionId>(numbers), random_time(numbers),
                                    random_text(numbers),          random_text(numbers),
                                    random_number(numbers),        random_number(numbers),
                                    random_text(numbers)};
        CHECK(decode_session(encode_session(session)) == session);
    }
}

TEST_CASE("a slot's and a role's keys come back, those it lacks as none")
{
    const Secret bytes = encode_class_keys(sample_keys());
    const ClassKeys keys = decode_class_keys(bytes.span());
    CHECK(equal(keys.id.span(), secret_of(0x11).span()));
    CHECK(keys.cut.empty());
    REQUIRE(keys.epochs.size() == 2);
    CHECK(equal(keys.epochs[0].index.span(), secret_of(0x22).span()));
    CHECK(keys.epochs[0].data.empty());
    CHECK(keys.epochs[1].epoch == 2);
    CHECK(equal(keys.epochs[1].data.span(), secret_of(0x33).span()));
    CHECK(keys.epochs[1].index.empty());
}

TEST_CASE("damaged records of a repository are refused or are others")
{
    check_damage(encode_config(sample_config()), decode_config, encode_config);
    check_damage(encode_keyring(sample_keyring()), decode_keyring, encode_keyring);
    check_damage(encode_slot(sample_slot()), decode_slot, encode_slot);
    check_damage(encode_session(sample_session()), decode_session, encode_session);
    check_damage(encode_tombstone(sample_tombstone()), decode_tombstone, encode_tombstone);
    check_damage(encode_condemnation(sample_condemnation()), decode_condemnation,
                 encode_condemnation);
    check_damage(encode_note(sample_note()), decode_note, encode_note);
    check_damage(bytes_of(encode_class_keys(sample_keys())), class_keys_again, itself);
    check_damage(bytes_of(encode_slot_secrets({secret_of(1), secret_of(2), filled<32>(3)})),
                 slot_secrets_again, itself);
}

TEST_CASE(
    "a config of another version, suite or with an unknown feature is unsupported, not damaged")
{
    CHECK(config_refusal(sample_config()) == ErrorCode::internal);
    ConfigRecord config = sample_config();
    config.version = 1;
    CHECK(config_refusal(config) == ErrorCode::unsupported);
    config = sample_config();
    config.suite = 1;
    CHECK(config_refusal(config) == ErrorCode::unsupported);
    config = sample_config();
    config.features = {"time-travel"};
    CHECK(config_refusal(config) == ErrorCode::unsupported);
    CHECK_THROWS_WITH_AS(decode_config(encode_config(config)), doctest::Contains("'time-travel'"),
                         Error);
}

TEST_CASE("a config with sizes that nobody can work with is refused")
{
    const auto with = [](std::uint32_t chunk, std::uint32_t pack) {
        ConfigRecord config = sample_config();
        config.chunker.average = chunk;
        config.pack_size = pack;
        return config_refusal(config);
    };
    CHECK(with(1024, 1 * MiB) == ErrorCode::internal);
    CHECK(with(4 * MiB, 512 * MiB) == ErrorCode::internal);
    CHECK(with(1023, 1 * MiB) == ErrorCode::damaged);
    CHECK(with(4 * MiB + 1, 1 * MiB) == ErrorCode::damaged);
    CHECK(with(1024, 1 * MiB - 1) == ErrorCode::damaged);
    CHECK(with(1024, 512 * MiB + 1) == ErrorCode::damaged);
}

TEST_CASE("a role or an opener that nobody knows is refused")
{
    for (const int number : {0, 5, 255}) {
        KeyringRecord keyring = sample_keyring();
        keyring.slots.front().role = static_cast<Role>(number);
        CHECK(is_refused(encode_keyring(keyring), decode_keyring));
    }
    SlotRecord slot = sample_slot();
    slot.opener = static_cast<SlotRecord::Opener>(4);
    CHECK(is_refused(encode_slot(slot), decode_slot));
}

TEST_CASE("all of a slot but what is sealed is authenticated beside it")
{
    const Bytes bytes = encode_slot(sample_slot());
    const Bytes head = slot_associated_data(sample_slot());
    const Bytes sealed = {2, 5, 6};
    CHECK(equal(head, ByteSpan(bytes).first(head.size())));
    CHECK(equal(sealed, ByteSpan(bytes).subspan(head.size())));
}

TEST_CASE("a record of a repository that claims more than it holds is refused")
{
    CHECK(is_refused(*from_hex("0000" + zero_id + zero_time + endless), decode_config));
    CHECK(is_refused(*from_hex("00" + zero_id + zero_time + endless), decode_keyring));
    CHECK(is_refused(*from_hex("0000" + endless), class_keys_again));
    CHECK(is_refused(*from_hex(zero_id + zero_time + endless), decode_tombstone));
    CHECK(is_refused(*from_hex("00" + zero_time + endless), decode_condemnation));
    CHECK(is_refused(*from_hex("00" + zero_time + "00" + endless), decode_condemnation));
    CHECK(is_refused(*from_hex(zero_id + zero_id + zero_time + endless), decode_note));
    CHECK(is_refused(*from_hex(zero_id + zero_id + zero_time + "0001" + endless), decode_note));
    CHECK(is_refused(*from_hex(zero_id + zero_id + zero_time + "000000" + endless), decode_note));
}
