#include "format/repository_records.hpp"

#include "base/error.hpp"
#include "format/encoding.hpp"
#include "format/envelope.hpp"

#include <algorithm>
#include <fmt/core.h>

namespace backstay::core
{

namespace
{

constexpr std::size_t max_text = 1 << 16;
constexpr std::size_t max_list = 1 << 16;
constexpr std::size_t key_size = 32;
constexpr std::uint32_t least_pack_size = 1 * MiB;
constexpr std::uint32_t most_pack_size = 512 * MiB;
constexpr std::uint32_t least_chunk = 1024;
constexpr std::uint32_t most_chunk = 4 * MiB;

template <std::size_t N>
void copy_raw(Decoder& from, std::array<std::uint8_t, N>& to)
{
    const ByteSpan bytes = from.raw(N);
    std::copy(bytes.begin(), bytes.end(), to.begin());
}

bool decode_flag(Decoder& from)
{
    const std::uint8_t flag = from.u8();
    if (flag > 1) {
        from.fail("a flag is neither set nor not");
    }
    return flag == 1;
}

std::vector<std::string> decode_texts(Decoder& from)
{
    const std::size_t count = from.count(1);
    if (count > max_list) {
        from.fail("a list is too long");
    }
    std::vector<std::string> texts(count);
    for (std::string& text : texts) {
        text = from.text(max_text);
    }
    return texts;
}

template <typename IdType>
std::vector<IdType> decode_ids(Decoder& from)
{
    std::vector<IdType> ids(from.count(key_size));
    for (IdType& id : ids) {
        id = from.id<IdType>();
    }
    return ids;
}

template <typename IdType>
void encode_ids(Encoder& to, const std::vector<IdType>& ids)
{
    to.varint(ids.size());
    for (const IdType& id : ids) {
        to.id(id);
    }
}

Role decode_role(Decoder& from)
{
    const std::uint8_t role = from.u8();
    if (role < static_cast<std::uint8_t>(Role::admin) ||
        role > static_cast<std::uint8_t>(Role::maintainer)) {
        from.fail("a key has an unknown role");
    }
    return static_cast<Role>(role);
}

/// Secrets are encoded into memory that wipes itself.
Secret to_secret(Bytes& bytes)
{
    Secret secret = Secret::copy_of(bytes);
    wipe(bytes);
    return secret;
}

Secret decode_key(Decoder& from)
{
    return decode_flag(from) ? Secret::copy_of(from.raw(key_size)) : Secret();
}

void encode_key(Encoder& to, const Secret& key)
{
    to.u8(key.empty() ? 0 : 1);
    to.raw(key.span());
}

} // namespace

bool ConfigRecord::operator==(const ConfigRecord& other) const
{
    return encode_config(*this) == encode_config(other);
}

Bytes encode_config(const ConfigRecord& config)
{
    Bytes out;
    Encoder to(out);
    to.varint(config.version);
    to.varint(config.number);
    to.id(config.repository);
    to.time(config.created);
    to.varint(config.features.size());
    for (const std::string& feature : config.features) {
        to.text(feature);
    }
    to.u8(config.suite);
    to.u8(config.encrypted ? 1 : 0);
    to.varint(config.chunker.average);
    to.varint(config.pack_size);
    return out;
}

ConfigRecord decode_config(ByteSpan plain)
{
    Decoder from(plain, "config");
    ConfigRecord config;
    config.version = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    if (config.version != format_version) {
        throw Error(
            ErrorCode::unsupported,
            fmt::format("the repository has format version {}; this program reads version {}",
                        config.version, format_version));
    }
    config.number = from.varint();
    config.repository = from.id<RepositoryId>();
    config.created = from.time();
    config.features = decode_texts(from);
    for (const std::string& feature : config.features) {
        if (!feature_is_known(feature)) {
            throw Error(ErrorCode::unsupported,
                        fmt::format("the repository uses the feature '{}', which this version of "
                                    "backstay does not know: use a newer one",
                                    feature));
        }
    }
    config.suite = from.u8();
    if (config.suite != known_suite) {
        throw Error(ErrorCode::unsupported,
                    fmt::format("the repository uses cryptographic suite {}, which this version of "
                                "backstay does not know",
                                config.suite));
    }
    config.encrypted = decode_flag(from);
    config.chunker.average = static_cast<std::uint32_t>(from.varint(most_chunk));
    config.pack_size = static_cast<std::uint32_t>(from.varint(most_pack_size));
    if (config.chunker.average < least_chunk || config.pack_size < least_pack_size) {
        from.fail("a size is out of bounds");
    }
    from.finish();
    return config;
}

const char* role_name(Role role)
{
    switch (role) {
    case Role::admin:
        return "admin";
    case Role::reader:
        return "reader";
    case Role::writer:
        return "writer";
    case Role::maintainer:
        return "maintainer";
    }
    return "unknown";
}

Bytes encode_keyring(const KeyringRecord& keyring)
{
    Bytes out;
    Encoder to(out);
    to.varint(keyring.epoch);
    to.id(keyring.repository);
    to.time(keyring.created);
    to.varint(keyring.slots.size());
    for (const KeyringSlot& slot : keyring.slots) {
        to.id(slot.id);
        to.u8(static_cast<std::uint8_t>(slot.role));
        to.text(slot.label);
        to.raw(slot.agreement);
        to.raw(slot.signing);
        to.blob(slot.wrapped);
    }
    to.raw(keyring.meta_public);
    to.raw(keyring.data_public);
    return out;
}

KeyringRecord decode_keyring(ByteSpan plain)
{
    Decoder from(plain, "keyring");
    KeyringRecord keyring;
    keyring.epoch = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    keyring.repository = from.id<RepositoryId>();
    keyring.created = from.time();
    constexpr std::size_t least_slot = 32 + 1 + 1 + 32 + 32 + 1;
    const std::size_t slots = from.count(least_slot);
    for (std::size_t i = 0; i < slots; ++i) {
        KeyringSlot slot;
        slot.id = from.id<SlotId>();
        slot.role = decode_role(from);
        slot.label = from.text(max_text);
        copy_raw(from, slot.agreement);
        copy_raw(from, slot.signing);
        const ByteSpan wrapped = from.blob(max_envelope_size);
        slot.wrapped.assign(wrapped.begin(), wrapped.end());
        keyring.slots.push_back(std::move(slot));
    }
    copy_raw(from, keyring.meta_public);
    copy_raw(from, keyring.data_public);
    from.finish();
    return keyring;
}

Secret encode_class_keys(const ClassKeys& keys)
{
    Bytes out;
    Encoder to(out);
    encode_key(to, keys.id);
    encode_key(to, keys.cut);
    to.varint(keys.epochs.size());
    for (const EpochKeys& epoch : keys.epochs) {
        to.varint(epoch.epoch);
        encode_key(to, epoch.index);
        encode_key(to, epoch.meta);
        encode_key(to, epoch.data);
    }
    return to_secret(out);
}

ClassKeys decode_class_keys(ByteSpan plain)
{
    Decoder from(plain, "set of keys");
    ClassKeys keys;
    keys.id = decode_key(from);
    keys.cut = decode_key(from);
    constexpr std::size_t least_epoch = 4;
    for (std::size_t left = from.count(least_epoch); left > 0; --left) {
        EpochKeys epoch;
        epoch.epoch = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
        epoch.index = decode_key(from);
        epoch.meta = decode_key(from);
        epoch.data = decode_key(from);
        keys.epochs.push_back(std::move(epoch));
    }
    from.finish();
    return keys;
}

bool SlotRecord::operator==(const SlotRecord& other) const
{
    return encode_slot(*this) == encode_slot(other);
}

namespace
{

void encode_slot_head(Encoder& to, const SlotRecord& slot)
{
    to.id(slot.id);
    to.id(slot.repository);
    to.u8(static_cast<std::uint8_t>(slot.opener));
    to.time(slot.created);
    to.text(slot.label);
    to.varint(slot.cost.passes);
    to.varint(slot.cost.memory_kib);
    to.raw(slot.salt);
    to.blob(slot.value);
}

} // namespace

Bytes slot_associated_data(const SlotRecord& slot)
{
    Bytes out;
    Encoder to(out);
    encode_slot_head(to, slot);
    return out;
}

Bytes encode_slot(const SlotRecord& slot)
{
    Bytes out;
    Encoder to(out);
    encode_slot_head(to, slot);
    to.blob(slot.sealed);
    return out;
}

SlotRecord decode_slot(ByteSpan plain)
{
    Decoder from(plain, "key slot");
    SlotRecord slot;
    slot.id = from.id<SlotId>();
    slot.repository = from.id<RepositoryId>();
    const std::uint8_t opener = from.u8();
    if (opener > static_cast<std::uint8_t>(SlotRecord::Opener::recipient)) {
        from.fail("it is opened in an unknown way");
    }
    slot.opener = static_cast<SlotRecord::Opener>(opener);
    slot.created = from.time();
    slot.label = from.text(max_text);
    slot.cost.passes = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    slot.cost.memory_kib = static_cast<std::uint32_t>(from.varint(UINT32_MAX));
    copy_raw(from, slot.salt);
    const ByteSpan value = from.blob(max_text);
    slot.value.assign(value.begin(), value.end());
    const ByteSpan sealed = from.blob(max_text);
    slot.sealed.assign(sealed.begin(), sealed.end());
    from.finish();
    return slot;
}

Secret encode_slot_secrets(const SlotSecrets& secrets)
{
    Bytes out;
    Encoder to(out);
    to.raw(secrets.agreement.span());
    to.raw(secrets.signing.span());
    to.raw(secrets.trusted_admin);
    return to_secret(out);
}

SlotSecrets decode_slot_secrets(ByteSpan plain)
{
    Decoder from(plain, "key slot's inside");
    SlotSecrets secrets;
    secrets.agreement = Secret::copy_of(from.raw(key_size));
    secrets.signing = Secret::copy_of(from.raw(key_size));
    copy_raw(from, secrets.trusted_admin);
    from.finish();
    return secrets;
}

Bytes encode_session(const SessionRecord& session)
{
    Bytes out;
    Encoder to(out);
    to.id(session.id);
    to.time(session.started);
    to.text(session.host);
    to.text(session.boot_id);
    to.varint(session.process);
    to.varint(session.process_start);
    to.text(session.purpose);
    return out;
}

SessionRecord decode_session(ByteSpan plain)
{
    Decoder from(plain, "session");
    SessionRecord session;
    session.id = from.id<SessionId>();
    session.started = from.time();
    session.host = from.text(max_text);
    session.boot_id = from.text(max_text);
    session.process = from.varint();
    session.process_start = from.varint();
    session.purpose = from.text(max_text);
    from.finish();
    return session;
}

Bytes encode_tombstone(const TombstoneRecord& tombstone)
{
    Bytes out;
    Encoder to(out);
    to.id(tombstone.id);
    to.time(tombstone.time);
    to.text(tombstone.reason);
    return out;
}

TombstoneRecord decode_tombstone(ByteSpan plain)
{
    Decoder from(plain, "tombstone");
    TombstoneRecord tombstone;
    tombstone.id = from.id<SessionId>();
    tombstone.time = from.time();
    tombstone.reason = from.text(max_text);
    from.finish();
    return tombstone;
}

Bytes encode_condemnation(const CondemnationRecord& record)
{
    Bytes out;
    Encoder to(out);
    to.varint(record.number);
    to.time(record.time);
    encode_ids(to, record.packs);
    encode_ids(to, record.sessions);
    return out;
}

CondemnationRecord decode_condemnation(ByteSpan plain)
{
    Decoder from(plain, "condemnation");
    CondemnationRecord record;
    record.number = from.varint();
    record.time = from.time();
    record.packs = decode_ids<PackId>(from);
    record.sessions = decode_ids<SessionId>(from);
    from.finish();
    return record;
}

Bytes encode_note(const NoteRecord& note)
{
    Bytes out;
    Encoder to(out);
    to.id(note.id);
    to.id(note.snapshot);
    to.time(note.time);
    encode_ids(to, note.replaces);
    to.u8(note.tags ? 1 : 0);
    if (note.tags) {
        to.varint(note.tags->size());
        for (const std::string& tag : *note.tags) {
            to.text(tag);
        }
    }
    to.u8(note.pinned ? 1 : 0);
    if (note.pinned) {
        to.u8(*note.pinned ? 1 : 0);
    }
    to.u8(note.comment ? 1 : 0);
    if (note.comment) {
        to.text(*note.comment);
    }
    encode_ids(to, note.lost);
    return out;
}

NoteRecord decode_note(ByteSpan plain)
{
    Decoder from(plain, "note");
    NoteRecord note;
    note.id = from.id<SessionId>();
    note.snapshot = from.id<SessionId>();
    note.time = from.time();
    note.replaces = decode_ids<SessionId>(from);
    if (decode_flag(from)) {
        note.tags = decode_texts(from);
    }
    if (decode_flag(from)) {
        note.pinned = decode_flag(from);
    }
    if (decode_flag(from)) {
        note.comment = from.text(max_envelope_size);
    }
    note.lost = decode_ids<BlobId>(from);
    from.finish();
    return note;
}

} // namespace backstay::core
