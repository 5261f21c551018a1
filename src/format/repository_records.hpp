#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "codec/chunker.hpp"
#include "codec/key_derivation.hpp"
#include "codec/key_pair.hpp"
#include "format/key_record.hpp"

#include <optional>
#include <string>
#include <vector>

namespace backstay::core {

inline constexpr std::uint32_t format_version = 0; ///< free to change until the first release
/// AES-256-GCM, BLAKE3, HMAC-SHA256, Ed25519, X25519, HKDF-SHA256. The first had no BLAKE3.
inline constexpr std::uint8_t known_suite = 2;

/// The body of config/<n> (class open, signed by an admin).
struct ConfigRecord {
    std::uint32_t version = format_version;
    std::uint64_t number = 0; ///< its own n
    RepositoryId repository{};
    Timestamp created;
    std::vector<std::string> features; ///< only grow
    std::uint8_t suite = known_suite;
    bool encrypted = true;  ///< false: --no-encryption, a slot whose key lies in the repository
    ChunkerParameters chunker;
    std::uint32_t pack_size = 32 * MiB;
    bool operator==(const ConfigRecord& other) const;
};
Bytes encode_config(const ConfigRecord& config);
/// Throws Error{unsupported} for another version or an unknown feature, by name.
ConfigRecord decode_config(ByteSpan plain);

enum class Role : std::uint8_t { admin = 1, reader = 2, writer = 3, maintainer = 4 };
const char* role_name(Role role);

/// A slot's public side, in the keyring.
struct KeyringSlot {
    SlotId id{};
    Role role = Role::admin;
    std::string label;
    PublicKey agreement{}; ///< X25519
    PublicKey signing{};   ///< Ed25519
    Bytes wrapped; ///< an encoded ClassKeys for what the role may have, wrapped to `agreement`
    bool operator==(const KeyringSlot&) const = default;
};

/// The body of keyring/<epoch> (class open, signed by an admin).
struct KeyringRecord {
    std::uint32_t epoch = 1; ///< its own number
    RepositoryId repository{};
    Timestamp created;
    std::vector<KeyringSlot> slots;
    /// Public halves of meta and data, for writers.
    PublicKey meta_public{};
    PublicKey data_public{};
    bool operator==(const KeyringRecord&) const = default;
};
Bytes encode_keyring(const KeyringRecord& keyring);
KeyringRecord decode_keyring(ByteSpan plain);

/// What a slot gets of one epoch; empty: not for its role. 32 bytes each. `id` and `cut` are the same in all epochs.
struct EpochKeys {
    std::uint32_t epoch = 1;
    Secret index, meta, data;
};
struct ClassKeys {
    Secret id, cut;
    std::vector<EpochKeys> epochs;
};
Secret encode_class_keys(const ClassKeys& keys);
ClassKeys decode_class_keys(ByteSpan plain);

/// The body of keys/<id> (class open, not signed: it proves itself by opening).
struct SlotRecord {
    enum class Opener : std::uint8_t {
        none = 0,       ///< --no-encryption: `value` holds the key itself
        passphrase = 1, ///< Argon2id of passphrase and salt
        key_file = 2,   ///< HKDF of the file's bytes and salt
        recipient = 3,  ///< wrapped to an X25519 public key
    };
    SlotId id{};
    RepositoryId repository{};
    Opener opener = Opener::passphrase;
    Timestamp created;
    std::string label;
    Argon2Cost cost;
    std::array<std::uint8_t, 16> salt{};
    Bytes value;  ///< none: the key
    Bytes sealed; ///< an encoded SlotSecrets under the opened key, associated data: everything before it
    bool operator==(const SlotRecord& other) const;
};
Bytes encode_slot(const SlotRecord& slot);
SlotRecord decode_slot(ByteSpan plain);
Bytes slot_associated_data(const SlotRecord& slot);

/// What a slot holds for itself.
struct SlotSecrets {
    Secret agreement;      ///< X25519 private
    Secret signing;        ///< Ed25519 private
    PublicKey trusted_admin{}; ///< Ed25519 public of the admin that made the slot: where trust in keyrings begins
};
Secret encode_slot_secrets(const SlotSecrets& secrets);
SlotSecrets decode_slot_secrets(ByteSpan plain);

/// The body of sessions/<sid> (class open, signed).
struct SessionRecord {
    SessionId id{};
    Timestamp started;
    std::string host;
    std::string boot_id;
    std::uint64_t process = 0;
    std::uint64_t process_start = 0; ///< clock ticks since boot, so that a process id used again is not taken for it
    std::string purpose; ///< "backup", "restore", …
    bool operator==(const SessionRecord&) const = default;
};
Bytes encode_session(const SessionRecord& session);
SessionRecord decode_session(ByteSpan plain);

/// The body of a tombstone at snapshots/<sid> (class open, signed).
struct TombstoneRecord {
    SessionId id{};
    Timestamp time;
    std::string reason;
    bool operator==(const TombstoneRecord&) const = default;
};
Bytes encode_tombstone(const TombstoneRecord& tombstone);
TombstoneRecord decode_tombstone(ByteSpan plain);

/// The body of gc/<n> (class open, signed by admin or maintainer).
struct CondemnationRecord {
    std::uint64_t number = 0; ///< its own n
    Timestamp time;
    std::vector<PackId> packs;
    std::vector<SessionId> sessions;
    bool operator==(const CondemnationRecord&) const = default;
};
Bytes encode_condemnation(const CondemnationRecord& record);
CondemnationRecord decode_condemnation(ByteSpan plain);

/// The body of notes/<random> (class meta, signed). For each snapshot the notes that no other note names are in force.
struct NoteRecord {
    SessionId id{};       ///< its own name
    SessionId snapshot{};
    Timestamp time;
    std::vector<SessionId> replaces; ///< ids of notes
    std::optional<std::vector<std::string>> tags; ///< the whole set
    std::optional<bool> pinned;
    std::optional<std::string> comment;
    std::vector<BlobId> lost; ///< what repair found to be lost
    bool operator==(const NoteRecord&) const = default;
};
Bytes encode_note(const NoteRecord& note);
NoteRecord decode_note(ByteSpan plain);

} // namespace backstay::core
