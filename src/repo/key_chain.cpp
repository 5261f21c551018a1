#include "repo/key_chain.hpp"

#include "base/error.hpp"
#include "repo/named_error.hpp"

#include <algorithm>
#include <cassert>
#include <fmt/core.h>
#include <map>
#include <mutex>

namespace backstay::core
{

namespace
{

constexpr std::size_t secret_size = 32;
/// NIST SP 800-38D bounds what one key may seal; the format's own limit is the same for frames and
/// envelopes.
constexpr std::uint64_t most_uses = std::uint64_t{1} << 32;
/// A secret takes a locked page: this many cost a megabyte.
constexpr std::size_t most_cached_keys = 256;

std::string bound_to(std::string_view purpose, KeyClass key_class, const RepositoryId& repository)
{
    std::string info(purpose);
    info += key_class_name(key_class);
    info += as_text(repository.span());
    return info;
}

/// Seal key (32) ‖ nonce key (32).
Secret session_material(ByteSpan secret, ByteSpan salt, KeyClass key_class,
                        const RepositoryId& repository)
{
    return hkdf(secret, salt, bound_to("backstay session key", key_class, repository),
                2 * secret_size);
}

std::string wrap_context(KeyClass key_class, const RepositoryId& repository)
{
    return bound_to("backstay wrapped session key", key_class, repository);
}

Secret agreement_of(const Secret& class_secret)
{
    return hkdf(class_secret.span(), {}, "backstay class agreement", secret_size);
}

const Secret& secret_of(const EpochKeys& epoch, KeyClass key_class)
{
    switch (key_class) {
    case KeyClass::index:
        return epoch.index;
    case KeyClass::meta:
        return epoch.meta;
    case KeyClass::data:
        return epoch.data;
    case KeyClass::open:
        break;
    }
    throw Error(ErrorCode::damaged, "class open has no key");
}

const EpochKeys* find_epoch(const ClassKeys& keys, std::uint32_t epoch)
{
    const auto found = std::find_if(keys.epochs.begin(), keys.epochs.end(),
                                    [epoch](const EpochKeys& each) { return each.epoch == epoch; });
    return found != keys.epochs.end() ? &*found : nullptr;
}

std::shared_ptr<const SealingKey> split_material(const RepositoryId& repository, KeyClass key_class,
                                                 KeyRecord record, const Secret& material)
{
    return std::make_shared<SealingKey>(repository, key_class, std::move(record),
                                        Secret::copy_of(material.span().first(secret_size)),
                                        Secret::copy_of(material.span().subspan(secret_size)));
}

Error denied(Role role, KeyClass key_class, const char* what)
{
    return Error(ErrorCode::denied, fmt::format("a {}'s key cannot {} what is sealed for class {}",
                                                role_name(role), what, key_class_name(key_class)));
}

Error damaged(const std::string& name, const std::string& why)
{
    return Error(ErrorCode::damaged, name + ": " + why, name);
}

} // namespace

SealingKey::SealingKey(RepositoryId repository, KeyClass key_class, KeyRecord record,
                       Secret seal_key, Secret nonce_key)
    : repository_(repository), key_class_(key_class), record_(std::move(record)),
      seal_key_(std::move(seal_key)), nonce_mac_(nonce_key.span())
{
}

Nonce SealingKey::nonce_for(ByteSpan identity) const
{
    const auto class_byte = static_cast<std::uint8_t>(key_class_);
    const Digest mac = nonce_mac_.of({&class_byte, 1}, identity);
    Nonce nonce;
    std::copy_n(mac.begin(), nonce.size(), nonce.begin());
    return nonce;
}

PublicKey class_public_key(const Secret& class_secret)
{
    return agreement_public_key(agreement_of(class_secret));
}

KeyClass class_of(ObjectType type)
{
    switch (type) {
    case ObjectType::segment:
        return KeyClass::index;
    case ObjectType::snapshot:
    case ObjectType::note:
        return KeyClass::meta;
    case ObjectType::config:
    case ObjectType::keyring:
    case ObjectType::slot:
    case ObjectType::session:
    case ObjectType::tombstone:
    case ObjectType::condemnation:
        break;
    }
    return KeyClass::open;
}

bool may_sign(Role role, ObjectType type)
{
    const bool writes = role == Role::admin || role == Role::writer;
    const bool maintains = role == Role::admin || role == Role::maintainer;
    switch (type) {
    case ObjectType::config:
    case ObjectType::keyring:
        return role == Role::admin;
    case ObjectType::condemnation:
        return maintains;
    case ObjectType::snapshot:
    case ObjectType::note:
        return writes;
    case ObjectType::segment:
    case ObjectType::tombstone:
        return writes || maintains;
    case ObjectType::session:
        return true;
    case ObjectType::slot:
        break;
    }
    return false;
}

const char* object_type_name(ObjectType type)
{
    switch (type) {
    case ObjectType::config:
        return "config";
    case ObjectType::keyring:
        return "keyring";
    case ObjectType::slot:
        return "slot";
    case ObjectType::segment:
        return "segment";
    case ObjectType::session:
        return "session";
    case ObjectType::snapshot:
        return "snapshot";
    case ObjectType::tombstone:
        return "tombstone";
    case ObjectType::note:
        return "note";
    case ObjectType::condemnation:
        return "condemnation";
    }
    return "unknown";
}

struct KeyChain::Cache {
    struct SmallObjects {
        std::shared_ptr<const SealingKey> key;
        std::uint64_t uses = 0;
    };
    std::mutex mutex; // guards what follows
    std::map<KeyClass, SmallObjects> sealing;
    std::map<std::pair<KeyClass, KeyRecord>, Secret> opening;
};

KeyChain::KeyChain(RepositoryId repository, SlotId slot, Role role, ClassKeys keys,
                   SlotSecrets secrets, std::vector<KeyringRecord> keyrings)
    : repository_(repository), slot_(slot), role_(role), keys_(std::move(keys)),
      secrets_(std::move(secrets)), keyrings_(std::move(keyrings)), namer_(keys_.id.span()),
      cut_mac_(hkdf(keys_.cut.span(), {}, "backstay page cuts", secret_size).span()),
      fingerprint_mac_(hkdf(keys_.id.span(), {}, "backstay fingerprints", secret_size).span()),
      cache_(std::make_unique<Cache>())
{
    assert(!keyrings_.empty());
}

KeyChain::~KeyChain() = default;

std::uint64_t KeyChain::cut_hash(ByteSpan bytes) const
{
    const Digest mac = cut_mac_.of(bytes);
    std::uint64_t hash = 0;
    for (int i = 7; i >= 0; --i) {
        hash = hash << 8 | mac[static_cast<std::size_t>(i)];
    }
    return hash;
}

Digest KeyChain::fingerprint(ByteSpan bytes) const
{
    return fingerprint_mac_.of(bytes);
}

bool KeyChain::may_open(KeyClass key_class) const
{
    if (key_class == KeyClass::open) {
        return true;
    }
    const EpochKeys* epoch = find_epoch(keys_, keyrings_.back().epoch);
    return epoch != nullptr && !secret_of(*epoch, key_class).empty();
}

std::shared_ptr<const SealingKey> KeyChain::new_sealing_key(KeyClass key_class) const
{
    assert(key_class != KeyClass::open);
    const KeyringRecord& newest = keyrings_.back();
    KeyRecord record{KeyRecord::Kind::salt, newest.epoch, {}};
    if (may_open(key_class)) {
        const Secret& class_secret = secret_of(*find_epoch(keys_, newest.epoch), key_class);
        const Secret salt = Secret::random(secret_size);
        record.value.assign(salt.span().begin(), salt.span().end());
        const Secret material =
            session_material(class_secret.span(), record.value, key_class, repository_);
        return split_material(repository_, key_class, std::move(record), material);
    }
    if (key_class == KeyClass::index) {
        throw denied(role_, key_class, "add to");
    }
    const PublicKey& to = key_class == KeyClass::meta ? newest.meta_public : newest.data_public;
    const Secret session_secret = Secret::random(secret_size);
    record.kind = KeyRecord::Kind::wrapped;
    record.value = wrap_to(to, session_secret.span(), wrap_context(key_class, repository_));
    const Secret material = session_material(session_secret.span(), {}, key_class, repository_);
    return split_material(repository_, key_class, std::move(record), material);
}

Secret KeyChain::opening_key(KeyClass key_class, const KeyRecord& record) const
{
    auto known_as = std::make_pair(key_class, record);
    {
        const std::lock_guard lock(cache_->mutex);
        const auto found = cache_->opening.find(known_as);
        if (found != cache_->opening.end()) {
            return found->second.clone();
        }
    }
    const EpochKeys* epoch = find_epoch(keys_, record.epoch);
    if (epoch == nullptr) {
        throw Error(ErrorCode::damaged,
                    fmt::format("sealed in epoch {}, which no keyring has", record.epoch));
    }
    const Secret& class_secret = secret_of(*epoch, key_class);
    if (class_secret.empty()) {
        throw denied(role_, key_class, "open");
    }

    Secret material;
    if (record.kind == KeyRecord::Kind::salt && record.value.size() == secret_size) {
        material = session_material(class_secret.span(), record.value, key_class, repository_);
    } else if (record.kind == KeyRecord::Kind::wrapped &&
               record.value.size() == secret_size + wrap_overhead) {
        const auto session_secret =
            unwrap(agreement_of(class_secret), record.value, wrap_context(key_class, repository_));
        if (!session_secret) {
            throw Error(ErrorCode::damaged, "its wrapped key does not open");
        }
        material = session_material(session_secret->span(), {}, key_class, repository_);
    } else {
        throw Error(ErrorCode::damaged, "its key record is malformed");
    }

    Secret key = Secret::copy_of(material.span().first(secret_size));
    const std::lock_guard lock(cache_->mutex);
    if (cache_->opening.size() >= most_cached_keys) {
        cache_->opening.clear();
    }
    cache_->opening.emplace(std::move(known_as), key.clone());
    return key;
}

std::shared_ptr<const SealingKey> KeyChain::small_object_key(KeyClass key_class) const
{
    const std::lock_guard lock(cache_->mutex);
    Cache::SmallObjects& kept = cache_->sealing[key_class];
    if (!kept.key || kept.uses == most_uses) {
        kept = {new_sealing_key(key_class), 0};
    }
    ++kept.uses;
    return kept.key;
}

Envelope KeyChain::make_envelope(ObjectType type, KeyClass key_class, ByteSpan body) const
{
    assert(key_class == class_of(type));
    if (!may_sign(role_, type)) {
        throw Error(ErrorCode::denied, fmt::format("a {}'s key may not write a {}",
                                                   role_name(role_), object_type_name(type)));
    }
    Envelope envelope;
    envelope.type = type;
    envelope.key_class = key_class;
    envelope.signer = slot_;
    if (key_class == KeyClass::open) {
        envelope.body.assign(body.begin(), body.end());
    } else {
        const auto key = small_object_key(key_class);
        Bytes identity{static_cast<std::uint8_t>(type)};
        append(identity, body);
        envelope.key_record = key->record();
        envelope.nonce = key->nonce_for(identity);
        envelope.body.resize(body.size() + seal_overhead);
        key->make_cipher().seal(envelope.nonce, envelope_associated_data(repository_, envelope),
                                body, envelope.body);
    }
    envelope.signature = sign(secrets_.signing, envelope.signed_part());
    return envelope;
}

void KeyChain::check_signature(const Envelope& envelope, const std::string& name) const
{
    const auto& slots = keyrings_.back().slots;
    const auto signer = std::find_if(slots.begin(), slots.end(), [&](const KeyringSlot& slot) {
        return slot.id == envelope.signer;
    });
    if (signer == slots.end()) {
        throw damaged(name, "signed by nobody the keyring knows");
    }
    if (!signature_is_good(signer->signing, envelope.signed_part(), envelope.signature)) {
        throw damaged(name, "its signature is false");
    }
    if (!may_sign(signer->role, envelope.type)) {
        throw Error(ErrorCode::denied,
                    fmt::format("{}: signed by \"{}\", a {}, who may not sign a {}", name,
                                signer->label, role_name(signer->role),
                                object_type_name(envelope.type)),
                    name);
    }
}

Bytes KeyChain::open_envelope(const Envelope& envelope, ObjectType type,
                              const std::string& name) const
{
    if (envelope.type != type) {
        throw damaged(name, fmt::format("holds a {} where a {} belongs",
                                        object_type_name(envelope.type), object_type_name(type)));
    }
    if (envelope.key_class != class_of(type)) {
        throw damaged(name, fmt::format("is of class {} where {} belongs",
                                        key_class_name(envelope.key_class),
                                        key_class_name(class_of(type))));
    }
    check_signature(envelope, name);
    if (envelope.key_class == KeyClass::open) {
        return envelope.body;
    }
    if (envelope.body.size() < seal_overhead) {
        throw damaged(name, "is cut short");
    }
    const Secret key =
        naming(name, [&] { return opening_key(envelope.key_class, envelope.key_record); });
    Bytes plain(envelope.body.size() - seal_overhead);
    if (!Cipher(key.span())
             .open(envelope.nonce, envelope_associated_data(repository_, envelope), envelope.body,
                   plain)) {
        throw damaged(name, "does not open with this repository's keys");
    }
    return plain;
}

} // namespace backstay::core
