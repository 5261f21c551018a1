#include "repo/key_chain.hpp"

#include "base/random.hpp"
#include "support/sample_repository.hpp"

#include <algorithm>
#include <atomic>
#include <doctest/doctest.h>
#include <map>
#include <thread>

using namespace backstay::core;

namespace
{

/// Everybody's keys of one repository, from which the chain of any role can be made.
struct Keys {
    RepositoryId repository = random_id<RepositoryId>();
    Secret id = Secret::random(32), cut = Secret::random(32);
    Secret index = Secret::random(32), meta = Secret::random(32), data = Secret::random(32);
    std::map<Role, SlotId> slots;
    std::map<Role, Secret> signing;
    KeyringRecord keyring;

    Keys()
    {
        keyring.repository = repository;
        keyring.meta_public = class_public_key(meta);
        keyring.data_public = class_public_key(data);
        for (const Role role : {Role::admin, Role::reader, Role::writer, Role::maintainer}) {
            slots[role] = random_id<SlotId>();
            signing[role] = Secret::random(32);
            KeyringSlot& slot = keyring.slots.emplace_back();
            slot.id = slots[role];
            slot.role = role;
            slot.signing = signing_public_key(signing[role]);
        }
    }

    KeyChain chain(Role role) const
    {
        ClassKeys keys;
        keys.id = id.clone();
        keys.cut = cut.clone();
        EpochKeys& epoch = keys.epochs.emplace_back();
        epoch.index = index.clone();
        if (role != Role::writer) {
            epoch.meta = meta.clone();
        }
        if (role == Role::admin || role == Role::reader) {
            epoch.data = data.clone();
        }
        SlotSecrets secrets;
        secrets.agreement = Secret::random(32);
        secrets.signing = signing.at(role).clone();
        return KeyChain(repository, slots.at(role), role, std::move(keys), std::move(secrets),
                        {keyring});
    }
};

bool same(const Secret& a, const Secret& b)
{
    return equal(a.span(), b.span());
}

/// What SealingKey seals, opening_key() must open.
bool opens(const KeyChain& with, const SealingKey& key)
{
    Bytes sealed(5 + seal_overhead);
    Bytes plain(5);
    const Nonce nonce = key.nonce_for(as_bytes("hello"));
    key.make_cipher().seal(nonce, {}, as_bytes("hello"), sealed);
    const Secret opening = with.opening_key(key.key_class(), key.record());
    return Cipher(opening.span()).open(nonce, {}, sealed, plain) && equal(plain, as_bytes("hello"));
}

} // namespace

TEST_CASE("what one admin seals every other reader opens, in each class")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    const KeyChain reader = keys.chain(Role::reader);
    for (const KeyClass key_class : {KeyClass::index, KeyClass::meta, KeyClass::data}) {
        const auto key = admin.new_sealing_key(key_class);
        CHECK(key->record().kind == KeyRecord::Kind::salt);
        CHECK(opens(reader, *key));
        CHECK(opens(reader, *key)); // by way of the cache
    }
}

TEST_CASE("a writer without class secrets seals what readers open and itself cannot")
{
    const Keys keys;
    const KeyChain writer = keys.chain(Role::writer);
    const KeyChain reader = keys.chain(Role::reader);
    for (const KeyClass key_class : {KeyClass::meta, KeyClass::data}) {
        const auto key = writer.new_sealing_key(key_class);
        CHECK(key->record().kind == KeyRecord::Kind::wrapped);
        CHECK(opens(reader, *key));
        CHECK_FALSE(writer.may_open(key_class));
        CHECK(error_name_of([&] { writer.opening_key(key_class, key->record()); }) == "denied");
    }
    CHECK(writer.may_open(KeyClass::index));
    CHECK(opens(reader, *writer.new_sealing_key(KeyClass::index)));
}

TEST_CASE("a maintainer opens index and metadata but no contents")
{
    const Keys keys;
    const KeyChain maintainer = keys.chain(Role::maintainer);
    const KeyChain admin = keys.chain(Role::admin);
    CHECK(opens(maintainer, *admin.new_sealing_key(KeyClass::index)));
    CHECK(opens(maintainer, *admin.new_sealing_key(KeyClass::meta)));
    const auto data = admin.new_sealing_key(KeyClass::data);
    CHECK(error_name_of([&] { maintainer.opening_key(KeyClass::data, data->record()); }) ==
          "denied");
}

TEST_CASE("every session key is fresh, and classes and repositories do not share any")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    const auto one = admin.new_sealing_key(KeyClass::data);
    const auto other = admin.new_sealing_key(KeyClass::data);
    CHECK(one->record() != other->record());
    const Secret as_data = admin.opening_key(KeyClass::data, one->record());
    CHECK_FALSE(same(as_data, admin.opening_key(KeyClass::data, other->record())));
    CHECK_FALSE(same(as_data, admin.opening_key(KeyClass::meta, one->record())));

    // The same class secrets in another repository.
    Keys copied;
    copied.data = keys.data.clone();
    const KeyChain elsewhere = copied.chain(Role::admin);
    CHECK_FALSE(same(as_data, elsewhere.opening_key(KeyClass::data, one->record())));
}

TEST_CASE("more session keys than the cache holds still open")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    std::vector<std::shared_ptr<const SealingKey>> sealing;
    for (int i = 0; i < 300; ++i) {
        sealing.push_back(admin.new_sealing_key(KeyClass::data));
        CHECK(opens(admin, *sealing.back()));
    }
    CHECK(opens(admin, *sealing.front()));
}

TEST_CASE("threads that seal and open at the same time do not disturb each other")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    const auto shared = admin.new_sealing_key(KeyClass::data);
    std::atomic<int> opened = 0;
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] {
            for (int i = 0; i < 100; ++i) {
                opened +=
                    opens(admin, *shared) && opens(admin, *admin.new_sealing_key(KeyClass::data));
                const Envelope note =
                    admin.make_envelope(ObjectType::note, KeyClass::meta, as_bytes("body"));
                admin.open_envelope(note, ObjectType::note, "notes/1");
            }
        });
    }
    threads.clear();
    CHECK(opened == 400);
}

TEST_CASE("a key record that is malformed or of an unknown epoch is damage")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    const KeyRecord good = admin.new_sealing_key(KeyClass::data)->record();
    KeyRecord record = good;
    record.epoch = 2;
    CHECK(error_name_of([&] { admin.opening_key(KeyClass::data, record); }) == "damaged");
    record = good;
    record.value.pop_back();
    CHECK(error_name_of([&] { admin.opening_key(KeyClass::data, record); }) == "damaged");
    record = good;
    record.kind = KeyRecord::Kind::none;
    CHECK(error_name_of([&] { admin.opening_key(KeyClass::data, record); }) == "damaged");
    record = good;
    record.kind = KeyRecord::Kind::wrapped;
    record.value.resize(32 + wrap_overhead);
    CHECK(error_name_of([&] { admin.opening_key(KeyClass::data, record); }) == "damaged");
}

TEST_CASE("a nonce repeats only for the same bytes")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    const auto key = admin.new_sealing_key(KeyClass::data);
    CHECK(key->nonce_for(as_bytes("a")) == key->nonce_for(as_bytes("a")));
    CHECK(key->nonce_for(as_bytes("a")) != key->nonce_for(as_bytes("b")));
    CHECK(key->nonce_for(as_bytes("a")) !=
          admin.new_sealing_key(KeyClass::data)->nonce_for(as_bytes("a")));
}

TEST_CASE("an envelope comes back, sealed where its type says so")
{
    const Keys keys;
    const KeyChain writer = keys.chain(Role::writer);
    const KeyChain reader = keys.chain(Role::reader);
    for (const ObjectType type : {ObjectType::session, ObjectType::snapshot, ObjectType::tombstone,
                                  ObjectType::note, ObjectType::segment}) {
        CAPTURE(object_type_name(type));
        const Bytes body{'b', 'o', 'd', 'y', 'b', 'o', 'd', 'y', 'b', 'o', 'd', 'y'};
        const Envelope envelope = writer.make_envelope(type, class_of(type), body);
        const Envelope arrived = decode_envelope(encode_envelope(envelope));
        CHECK(reader.open_envelope(arrived, type, "x/1") == body);
        const bool in_the_clear = std::search(arrived.body.begin(), arrived.body.end(),
                                              body.begin(), body.end()) != arrived.body.end();
        CHECK(in_the_clear == (class_of(type) == KeyClass::open));
        // A lost answer is asked for again with the same bytes.
        CHECK(encode_envelope(writer.make_envelope(type, class_of(type), body)) ==
              encode_envelope(envelope));
    }
}

TEST_CASE("an empty body can be sealed")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    const Envelope envelope = admin.make_envelope(ObjectType::note, KeyClass::meta, {});
    CHECK(admin.open_envelope(envelope, ObjectType::note, "x").empty());
}

TEST_CASE("an envelope of one type does not pass for another")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    Envelope envelope = admin.make_envelope(ObjectType::note, KeyClass::meta, as_bytes("body"));
    const auto error =
        error_of([&] { admin.open_envelope(envelope, ObjectType::snapshot, "snapshots/1"); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::damaged);
    CHECK(error->subject() == "snapshots/1");
    envelope.type = ObjectType::snapshot;
    CHECK(error_name_of([&] { admin.open_envelope(envelope, ObjectType::snapshot, "x"); }) ==
          "damaged");
}

TEST_CASE("what a role may not sign does not count, and is not made")
{
    const Keys keys;
    const KeyChain admin = keys.chain(Role::admin);
    const KeyChain writer = keys.chain(Role::writer);
    const KeyChain reader = keys.chain(Role::reader);
    CHECK(error_name_of([&] {
              writer.make_envelope(ObjectType::condemnation, KeyClass::open, {});
          }) == "denied");
    CHECK(error_name_of([&] { reader.make_envelope(ObjectType::snapshot, KeyClass::meta, {}); }) ==
          "denied");

    // A writer's program that does not ask.
    Envelope forged = writer.make_envelope(ObjectType::session, KeyClass::open, as_bytes("body"));
    forged.type = ObjectType::condemnation;
    forged.signature = sign(keys.signing.at(Role::writer), forged.signed_part());
    const auto error =
        error_of([&] { admin.open_envelope(forged, ObjectType::condemnation, "gc/1"); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::denied);
    CHECK(error->subject() == "gc/1");
}

TEST_CASE("the signers that the protocol names, and no others, count")
{
    using T = ObjectType;
    const std::map<Role, std::vector<T>> allowed{
        {Role::admin,
         {T::config, T::keyring, T::segment, T::session, T::snapshot, T::tombstone, T::note,
          T::condemnation}},
        {Role::writer, {T::segment, T::session, T::snapshot, T::tombstone, T::note}},
        {Role::maintainer, {T::segment, T::session, T::tombstone, T::condemnation}},
        {Role::reader, {T::session}},
    };
    for (const auto& row : allowed) {
        const Role role = row.first;
        const std::vector<T>& types = row.second;
        for (int type = 1; type <= 9; ++type) {
            CAPTURE(role_name(role));
            CAPTURE(type);
            const bool wanted =
                std::find(types.begin(), types.end(), static_cast<T>(type)) != types.end();
            CHECK(may_sign(role, static_cast<T>(type)) == wanted);
        }
    }
}

TEST_CASE("a stranger's signature and a signature over other bytes are noticed")
{
    const Keys keys;
    const Keys strangers;
    const KeyChain admin = keys.chain(Role::admin);
    const Envelope strange =
        strangers.chain(Role::admin).make_envelope(ObjectType::session, KeyClass::open, {});
    CHECK(error_name_of([&] { admin.open_envelope(strange, ObjectType::session, "x"); }) ==
          "damaged");
    Envelope altered = admin.make_envelope(ObjectType::session, KeyClass::open, as_bytes("body"));
    altered.body[0] ^= 1;
    CHECK(error_name_of([&] { admin.open_envelope(altered, ObjectType::session, "x"); }) ==
          "damaged");
}

TEST_CASE("cut hashes and fingerprints depend on the repository's keys")
{
    const Keys keys;
    const Keys others;
    const KeyChain chain = keys.chain(Role::admin);
    CHECK(chain.cut_hash(as_bytes("a")) == keys.chain(Role::reader).cut_hash(as_bytes("a")));
    CHECK(chain.cut_hash(as_bytes("a")) != chain.cut_hash(as_bytes("b")));
    CHECK(chain.cut_hash(as_bytes("a")) != others.chain(Role::admin).cut_hash(as_bytes("a")));
    CHECK(chain.fingerprint(as_bytes("a")) == keys.chain(Role::writer).fingerprint(as_bytes("a")));
    CHECK(chain.fingerprint(as_bytes("a")) != others.chain(Role::admin).fingerprint(as_bytes("a")));
    CHECK(chain.fingerprint(as_bytes("a")) !=
          Digest(chain.namer().name(BlobKind::data, as_bytes("a")).bytes));
}
