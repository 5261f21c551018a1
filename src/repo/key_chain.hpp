#pragma once

#include "codec/blob_id.hpp"
#include "codec/cipher.hpp"
#include "format/envelope.hpp"
#include "format/pack.hpp"
#include "format/repository_records.hpp"

#include <memory>
#include <string>
#include <vector>

namespace backstay::core
{

/// A session key of one class: seals any number of things (at most 2^32 frames) under one key
/// record. Immutable, thread-safe; a worker makes its own Cipher from it.
class SealingKey
{
public:
    SealingKey(RepositoryId repository, KeyClass key_class, KeyRecord record, Secret seal_key,
               Secret nonce_key);
    const RepositoryId& repository() const { return repository_; }
    KeyClass key_class() const { return key_class_; }
    const KeyRecord& record() const { return record_; }
    Cipher make_cipher() const { return Cipher(seal_key_.span()); }
    /// First 96 bits of HMAC(nonce key, class ‖ identity): a machine restored in mid-session
    /// repeats bytes, never a nonce with other bytes.
    Nonce nonce_for(ByteSpan identity) const;

private:
    RepositoryId repository_;
    KeyClass key_class_;
    KeyRecord record_;
    Secret seal_key_;
    HmacSha256 nonce_mac_;
};

/// The class secret's X25519 public half, to which writers without the secret wrap their session
/// keys.
PublicKey class_public_key(const Secret& class_secret);

/// The class that objects of a type are sealed under.
KeyClass class_of(ObjectType type);
/// Whether a slot of this role may sign objects of this type: what others sign does not count.
bool may_sign(Role role, ObjectType type);
const char* object_type_name(ObjectType type);

/// What an opened slot knows: class keys of every epoch it may have, its own signing key,
/// everybody's public halves. Immutable but for a cache; thread-safe.
class KeyChain
{
public:
    KeyChain(RepositoryId repository, SlotId slot, Role role, ClassKeys keys, SlotSecrets secrets,
             std::vector<KeyringRecord> keyrings);
    ~KeyChain();

    const RepositoryId& repository() const { return repository_; }
    const SlotId& slot() const { return slot_; }
    Role role() const { return role_; }
    const BlobNamer& namer() const { return namer_; }
    ByteSpan cut_key() const { return keys_.cut.span(); }
    /// Keyed hash for places where trees and content lists are cut.
    std::uint64_t cut_hash(ByteSpan bytes) const;
    /// HMAC under a key of its own derived from the id key, for chains and cache names.
    Digest fingerprint(ByteSpan bytes) const;

    bool may_open(KeyClass key_class) const;
    /// A fresh session key of the newest epoch. Throws Error{denied} if the role has neither secret
    /// nor public half.
    std::shared_ptr<const SealingKey> new_sealing_key(KeyClass key_class) const;
    /// The cipher's key for something sealed under `record`. Throws Error{denied} (role),
    /// Error{damaged} (no such epoch, malformed).
    Secret opening_key(KeyClass key_class, const KeyRecord& record) const;

    /// Seals (unless `key_class` is open, the session key being kept for further small objects) and
    /// signs. The same body twice gives the same bytes, so that a lost answer can be asked for
    /// again. Throws Error{denied} if the slot's role may not sign this type.
    Envelope make_envelope(ObjectType type, KeyClass key_class, ByteSpan body) const;
    /// Opens; checks type, class and signature: signer in the newest keyring with a role that may
    /// sign this type. Throws Error{damaged, denied}; `subject` is `name`.
    Bytes open_envelope(const Envelope& envelope, ObjectType type, const std::string& name) const;

private:
    std::shared_ptr<const SealingKey> small_object_key(KeyClass key_class) const;
    void check_signature(const Envelope& envelope, const std::string& name) const;

    RepositoryId repository_;
    SlotId slot_;
    Role role_;
    ClassKeys keys_;
    SlotSecrets secrets_;
    std::vector<KeyringRecord> keyrings_; // oldest first
    BlobNamer namer_;
    HmacSha256 cut_mac_;
    HmacSha256 fingerprint_mac_;
    struct Cache;
    std::unique_ptr<Cache> cache_;
};

} // namespace backstay::core
