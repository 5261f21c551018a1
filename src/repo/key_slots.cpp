#include "repo/key_slots.hpp"

#include "base/error.hpp"
#include "base/random.hpp"
#include "repo/named_error.hpp"
#include "repo/object_keys.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <map>

namespace backstay::core
{

namespace
{

constexpr std::size_t secret_size = 32;
constexpr std::size_t least_key_file = 16;
/// Each key serves for one sealing only: a slot's is bound to its salt, which is random.
constexpr Nonce single_use_nonce{};

Error damaged(const std::string& name, const std::string& why)
{
    return Error(ErrorCode::damaged, name + ": " + why, name);
}

std::string class_keys_context(const RepositoryId& repository)
{
    return "backstay class keys" + std::string(as_text(repository.span()));
}

void check_for_init(const Credentials& credentials)
{
    if (credentials.passphrase && credentials.key_file) {
        throw Error(ErrorCode::invalid,
                    "give a passphrase or a key file for the first slot, not both");
    }
    if (credentials.passphrase && credentials.passphrase->empty()) {
        throw Error(ErrorCode::invalid, "the passphrase is empty");
    }
    if (credentials.key_file && credentials.key_file->span().size() < least_key_file) {
        throw Error(ErrorCode::invalid,
                    fmt::format("the key file is too short to be a key: it needs {} bytes at least",
                                least_key_file));
    }
}

/// The key that the slot's own secrets are sealed under. `opened`: what the opener gives.
Secret seal_key_of(const SlotRecord& slot, ByteSpan opened)
{
    std::string info = "backstay slot";
    info += static_cast<char>(slot.opener);
    info += as_text(slot.repository.span());
    info += as_text(slot.id.span());
    return hkdf(opened, slot.salt, info, secret_size);
}

/// Empty if the slot is not for these credentials.
std::optional<Secret> key_by(const SlotRecord& slot, const Credentials& credentials)
{
    switch (slot.opener) {
    case SlotRecord::Opener::none:
        return credentials.given() ? std::nullopt : std::optional(seal_key_of(slot, slot.value));
    case SlotRecord::Opener::passphrase:
        if (credentials.passphrase) {
            const Secret derived =
                derive_from_passphrase(credentials.passphrase->span(), slot.salt, slot.cost);
            return seal_key_of(slot, derived.span());
        }
        return std::nullopt;
    case SlotRecord::Opener::key_file:
        return credentials.key_file ? std::optional(seal_key_of(slot, credentials.key_file->span()))
                                    : std::nullopt;
    case SlotRecord::Opener::recipient:
        break;
    }
    return std::nullopt;
}

SlotRecord new_slot(const RepositoryId& repository, const Credentials& credentials,
                    const std::string& label, Timestamp now)
{
    SlotRecord slot;
    slot.id = random_id<SlotId>();
    slot.repository = repository;
    slot.created = now;
    slot.label = label;
    fill_random(slot.salt);
    if (credentials.passphrase) {
        slot.opener = SlotRecord::Opener::passphrase;
    } else if (credentials.key_file) {
        slot.opener = SlotRecord::Opener::key_file;
    } else {
        slot.opener = SlotRecord::Opener::none;
        slot.value.resize(secret_size);
        fill_random(slot.value);
    }
    return slot;
}

void seal_secrets(SlotRecord& slot, const SlotSecrets& secrets, const Credentials& credentials)
{
    const Secret plain = encode_slot_secrets(secrets);
    const Secret key = *key_by(slot, credentials);
    slot.sealed.resize(plain.span().size() + seal_overhead);
    Cipher(key.span())
        .seal(single_use_nonce, slot_associated_data(slot), plain.span(), slot.sealed);
}

/// Empty if the credentials do not fit.
std::optional<SlotSecrets> open_secrets(const SlotRecord& slot, const Secret& key)
{
    if (slot.sealed.size() < seal_overhead) {
        return std::nullopt;
    }
    Secret plain(slot.sealed.size() - seal_overhead);
    if (!Cipher(key.span())
             .open(single_use_nonce, slot_associated_data(slot), slot.sealed,
                   plain.mutable_span())) {
        return std::nullopt;
    }
    return decode_slot_secrets(plain.span());
}

Bytes slot_object(const SlotRecord& slot)
{
    Envelope envelope;
    envelope.type = ObjectType::slot;
    envelope.body = encode_slot(slot);
    return encode_envelope(envelope);
}

Envelope get_envelope(ObjectStore& store, const std::string& key, ObjectType type,
                      const std::stop_token& stop)
{
    Envelope envelope = naming(
        key, [&] { return decode_envelope(get_object(store, key, max_envelope_size, stop)); });
    if (envelope.type != type || envelope.key_class != KeyClass::open) {
        throw damaged(key, fmt::format("is no {}", object_type_name(type)));
    }
    return envelope;
}

struct OpenedSlot {
    SlotId id;
    SlotSecrets secrets;
};

SlotRecord read_slot(ObjectStore& store, const std::string& key, const ConfigRecord& config,
                     const std::stop_token& stop)
{
    const Envelope envelope = get_envelope(store, key, ObjectType::slot, stop);
    // Nobody signs a slot: what stands around its body must be what slot_object() leaves there.
    Envelope plain;
    plain.type = ObjectType::slot;
    plain.body = envelope.body;
    if (encode_envelope(envelope) != encode_envelope(plain)) {
        throw damaged(key, "its envelope is malformed");
    }
    SlotRecord slot = naming(key, [&] { return decode_slot(envelope.body); });
    if (slot.repository != config.repository || slot_key(slot.id) != key) {
        throw damaged(key, "this slot is another's: of another repository or under another's name");
    }
    return slot;
}

/// Each costs a key derivation, so a store with thousands of them could keep us busy for hours.
constexpr std::size_t most_passphrases_tried = 64;

/// What was met on the way to a slot that opens.
struct SlotsTried {
    std::size_t fitting = 0; ///< were tried with what the user brought
    std::size_t passphrases = 0;
    std::size_t need_none = 0;
    std::size_t slots = 0;
    std::optional<Error> damage; ///< the first
};

[[noreturn]] void throw_unopened(const SlotsTried& tried, const ConfigRecord& config,
                                 const Credentials& credentials)
{
    if (credentials.given() && (!config.encrypted || (tried.need_none > 0 && tried.fitting == 0))) {
        throw Error(
            ErrorCode::denied,
            "you gave a passphrase or key file, but this repository says it needs none: either it "
            "was "
            "made with --no-encryption (then leave the key out), or it is not the one you mean",
            "keys/");
    }
    if (tried.damage) {
        throw *tried.damage;
    }
    if (tried.slots == 0) {
        throw Error(
            ErrorCode::damaged,
            "keys/: there is no key slot, so nothing can be opened: restore keys/ from a copy",
            "keys/");
    }
    if (!credentials.given()) {
        throw Error(ErrorCode::key, "this repository is encrypted: give its passphrase or key file",
                    "keys/");
    }
    const char* brought = !credentials.key_file     ? "passphrase"
                          : !credentials.passphrase ? "key file"
                                                    : "passphrase or key file";
    throw Error(ErrorCode::key,
                tried.fitting > 0
                    ? fmt::format("no key slot opens with this {}", brought)
                    : fmt::format("no key slot of this repository is opened by a {}", brought),
                "keys/");
}

OpenedSlot open_slot(ObjectStore& store, const std::vector<std::string>& slots,
                     const ConfigRecord& config, const Credentials& credentials,
                     const std::stop_token& stop)
{
    SlotsTried tried;
    for (const std::string& key : slots) {
        ++tried.slots;
        try {
            const SlotRecord slot = read_slot(store, key, config, stop);
            tried.need_none += slot.opener == SlotRecord::Opener::none;
            if (slot.opener == SlotRecord::Opener::passphrase && credentials.passphrase &&
                ++tried.passphrases > most_passphrases_tried) {
                throw Error(ErrorCode::key,
                            fmt::format("none of the first {} key slots opens with this "
                                        "passphrase, and no more are tried: remove those that "
                                        "nobody uses, or give a key file",
                                        most_passphrases_tried),
                            "keys/");
            }
            const auto opened_by = naming(key, [&] { return key_by(slot, credentials); });
            if (!opened_by) {
                continue;
            }
            ++tried.fitting;
            auto secrets = naming(key, [&] { return open_secrets(slot, *opened_by); });
            if (secrets) {
                return {slot.id, std::move(*secrets)};
            }
            if (slot.opener == SlotRecord::Opener::none) {
                throw damaged(key, "does not open with the key it holds itself");
            }
        } catch (const Error& error) {
            // Another slot may open all the same.
            if (error.code() != ErrorCode::damaged && error.code() != ErrorCode::unsupported) {
                throw;
            }
            if (!tried.damage) {
                tried.damage = error;
            }
        }
    }
    throw_unopened(tried, config, credentials);
}

struct ReadKeyring {
    std::string name;
    Envelope envelope;
    KeyringRecord record;
};

/// Oldest first.
std::vector<ReadKeyring> read_keyrings(ObjectStore& store, const std::vector<std::string>& keys,
                                       const RepositoryId& repository, const std::stop_token& stop)
{
    std::map<std::uint64_t, std::string> names;
    for (const std::string& key : keys) {
        if (const auto number = parse_numbered_key("keyring/", key)) {
            names.emplace(*number, key);
        }
    }
    if (names.empty()) {
        throw damaged(
            "keyring/",
            "there is no keyring, so nothing can be opened: restore keyring/ from a copy");
    }
    std::vector<ReadKeyring> keyrings;
    for (const auto& [number, name] : names) {
        ReadKeyring keyring{name, get_envelope(store, name, ObjectType::keyring, stop), {}};
        keyring.record = naming(name, [&] { return decode_keyring(keyring.envelope.body); });
        if (keyring.record.repository != repository || keyring.record.epoch != number) {
            throw damaged(
                name, "this keyring is another's: of another repository or under another's name");
        }
        keyrings.push_back(std::move(keyring));
    }
    return keyrings;
}

bool signed_by(const Envelope& envelope, const PublicKey& key)
{
    return signature_is_good(key, envelope.signed_part(), envelope.signature);
}

bool signed_by_admin_of(const KeyringRecord& keyring, const Envelope& envelope)
{
    return std::any_of(keyring.slots.begin(), keyring.slots.end(), [&](const KeyringSlot& slot) {
        return slot.role == Role::admin && slot.id == envelope.signer &&
               signed_by(envelope, slot.signing);
    });
}

/// Trust begins at the oldest keyring that the slot's trusted admin signed; each later one must be
/// signed by an admin of the one before. Those before it are none of this slot's business: the
/// newest has the keys of all epochs.
std::vector<KeyringRecord> trusted_keyrings(std::vector<ReadKeyring> keyrings,
                                            const PublicKey& trusted_admin)
{
    const auto first =
        std::find_if(keyrings.begin(), keyrings.end(), [&](const ReadKeyring& keyring) {
            return signed_by(keyring.envelope, trusted_admin);
        });
    if (first == keyrings.end()) {
        throw damaged(keyrings.front().name,
                      "its signature is false: it is not by the admin that this key slot trusts");
    }
    std::vector<KeyringRecord> trusted;
    for (auto keyring = first; keyring != keyrings.end(); ++keyring) {
        if (!trusted.empty() && keyring->record.epoch != trusted.back().epoch + 1) {
            throw damaged(keyring_key(trusted.back().epoch + 1),
                          "this keyring is missing: restore it from a copy");
        }
        if (!trusted.empty() && !signed_by_admin_of(trusted.back(), keyring->envelope)) {
            throw damaged(keyring->name,
                          "its signature is false: it is not by an admin of the keyring before");
        }
        trusted.push_back(std::move(keyring->record));
    }
    return trusted;
}

const KeyringSlot& own_entry(const KeyringRecord& keyring, const OpenedSlot& slot)
{
    const auto found = std::find_if(keyring.slots.begin(), keyring.slots.end(),
                                    [&](const KeyringSlot& each) { return each.id == slot.id; });
    if (found == keyring.slots.end()) {
        throw Error(ErrorCode::denied,
                    fmt::format("key slot {} was taken out of the keyring", slot.id.hex()),
                    slot_key(slot.id));
    }
    if (found->agreement != agreement_public_key(slot.secrets.agreement) ||
        found->signing != signing_public_key(slot.secrets.signing)) {
        throw damaged(keyring_key(keyring.epoch), "does not fit to key slot " + slot.id.hex());
    }
    return *found;
}

ClassKeys unwrap_class_keys(const KeyringRecord& keyring, const KeyringSlot& entry,
                            const OpenedSlot& slot)
{
    const std::string name = keyring_key(keyring.epoch);
    const auto plain =
        unwrap(slot.secrets.agreement, entry.wrapped, class_keys_context(keyring.repository));
    if (!plain) {
        throw damaged(name, "the keys for slot " + slot.id.hex() + " do not open");
    }
    ClassKeys keys = naming(name, [&] { return decode_class_keys(plain->span()); });
    if (keys.id.span().size() != secret_size || keys.cut.span().size() != secret_size) {
        throw damaged(name, "lacks the keys that every slot needs");
    }
    return keys;
}

} // namespace

NewKeys make_first_keys(const RepositoryId& repository, const Credentials& credentials,
                        const std::string& label, Timestamp now)
{
    check_for_init(credentials);
    SlotRecord slot = new_slot(repository, credentials, label, now);

    SlotSecrets secrets;
    secrets.agreement = Secret::random(secret_size);
    secrets.signing = Secret::random(secret_size);
    secrets.trusted_admin = signing_public_key(secrets.signing);
    seal_secrets(slot, secrets, credentials);

    ClassKeys keys;
    keys.id = Secret::random(secret_size);
    keys.cut = Secret::random(secret_size);
    EpochKeys& epoch = keys.epochs.emplace_back();
    epoch.index = Secret::random(secret_size);
    epoch.meta = Secret::random(secret_size);
    epoch.data = Secret::random(secret_size);

    KeyringRecord keyring;
    keyring.epoch = epoch.epoch;
    keyring.repository = repository;
    keyring.created = now;
    keyring.meta_public = class_public_key(epoch.meta);
    keyring.data_public = class_public_key(epoch.data);
    KeyringSlot& entry = keyring.slots.emplace_back();
    entry.id = slot.id;
    entry.role = Role::admin;
    entry.label = label;
    entry.agreement = agreement_public_key(secrets.agreement);
    entry.signing = secrets.trusted_admin;
    entry.wrapped =
        wrap_to(entry.agreement, encode_class_keys(keys).span(), class_keys_context(repository));

    NewKeys made;
    made.slot = slot.id;
    made.slot_object = slot_object(slot);
    made.chain =
        std::make_shared<KeyChain>(repository, slot.id, Role::admin, std::move(keys),
                                   std::move(secrets), std::vector<KeyringRecord>{keyring});
    made.keyring_object = encode_envelope(
        made.chain->make_envelope(ObjectType::keyring, KeyClass::open, encode_keyring(keyring)));
    return made;
}

void KeyNames::add(const std::string& key)
{
    if (key.starts_with("keys/")) {
        slots.push_back(key);
    } else if (key.starts_with("keyring/")) {
        keyrings.push_back(key);
    }
}

std::shared_ptr<const KeyChain> open_keys(ObjectStore& store, const ConfigRecord& config,
                                          const Credentials& credentials,
                                          const std::stop_token& stop)
{
    KeyNames names;
    store.list(
        "key", Freshness::cached, [&names](const ObjectInfo& info) { names.add(info.key); }, stop);
    return open_keys(store, names, config, credentials, stop);
}

std::shared_ptr<const KeyChain> open_keys(ObjectStore& store, const KeyNames& names,
                                          const ConfigRecord& config,
                                          const Credentials& credentials,
                                          const std::stop_token& stop)
{
    if (credentials.passphrase && credentials.passphrase->empty()) {
        throw Error(ErrorCode::key, "the passphrase is empty");
    }
    OpenedSlot slot = open_slot(store, names.slots, config, credentials, stop);
    auto keyrings = trusted_keyrings(read_keyrings(store, names.keyrings, config.repository, stop),
                                     slot.secrets.trusted_admin);
    const KeyringSlot& entry = own_entry(keyrings.back(), slot);
    const Role role = entry.role;
    ClassKeys keys = unwrap_class_keys(keyrings.back(), entry, slot);
    return std::make_shared<KeyChain>(config.repository, slot.id, role, std::move(keys),
                                      std::move(slot.secrets), std::move(keyrings));
}

} // namespace backstay::core
