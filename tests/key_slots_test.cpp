#include "repo/key_slots.hpp"

#include "base/random.hpp"
#include "repo/object_keys.hpp"
#include "support/sample_repository.hpp"

#include <doctest/doctest.h>

using namespace backstay::core;

namespace
{

Credentials passphrase(std::string_view text)
{
    Credentials credentials;
    credentials.passphrase = Secret::copy_of(as_bytes(text));
    return credentials;
}

/// A store with the first slot and keyring of a repository.
struct Fresh {
    MemoryStore store;
    ConfigRecord config;
    NewKeys made;

    explicit Fresh(const Credentials& credentials)
    {
        config.repository = random_id<RepositoryId>();
        config.number = 1;
        config.encrypted = credentials.given();
        made = make_first_keys(config.repository, credentials, "first", {});
        store.create(slot_key(made.slot), made.slot_object, {});
        store.create(keyring_key(1), made.keyring_object, {});
    }
    std::shared_ptr<const KeyChain> open(const Credentials& credentials)
    {
        return open_keys(store, config, credentials, {});
    }
    std::string error(const Credentials& credentials)
    {
        return error_name_of([&] { open(credentials); });
    }
};

/// The keyring after `before`, as made and signed by `signer`.
KeyringRecord next_keyring(const KeyringRecord& before)
{
    KeyringRecord next = before;
    next.epoch = before.epoch + 1;
    return next;
}

KeyringRecord keyring_of(Fresh& fresh, std::uint64_t epoch)
{
    return decode_keyring(
        decode_envelope(get_object(fresh.store, keyring_key(epoch), MiB, {})).body);
}

void store_keyring(Fresh& fresh, const KeyChain& signer, const KeyringRecord& keyring)
{
    fresh.store.create(keyring_key(keyring.epoch),
                       encode_envelope(signer.make_envelope(ObjectType::keyring, KeyClass::open,
                                                            encode_keyring(keyring))),
                       {});
}

} // namespace

TEST_CASE("the passphrase opens the keys that were made with it, and another does not")
{
    Fresh fresh(passphrase("correct horse"));
    const auto chain = fresh.open(passphrase("correct horse"));
    CHECK(chain->role() == Role::admin);
    CHECK(chain->slot() == fresh.made.slot);
    CHECK(equal(chain->cut_key(), fresh.made.chain->cut_key()));
    CHECK(chain->namer().name(BlobKind::data, as_bytes("x")) ==
          fresh.made.chain->namer().name(BlobKind::data, as_bytes("x")));
    const auto sealing = fresh.made.chain->new_sealing_key(KeyClass::data);
    CHECK_NOTHROW(chain->opening_key(KeyClass::data, sealing->record()));

    CHECK(fresh.error(passphrase("correct horsf")) == "key");
    CHECK(fresh.error(passphrase("")) == "key");
    CHECK(fresh.error({}) == "key");
    CHECK(fresh.error(sample_key()) == "key");
}

TEST_CASE("a key file opens by its bytes, all of them")
{
    Fresh fresh(sample_key("0123456789abcdef"));
    CHECK_NOTHROW(fresh.open(sample_key("0123456789abcdef")));
    CHECK(fresh.error(sample_key("0123456789abcdef\n")) == "key");
    CHECK(fresh.error(sample_key("0123456789abcdeF")) == "key");
    CHECK(fresh.error(passphrase("0123456789abcdef")) == "key");
    Credentials both = passphrase("whatever");
    both.key_file = Secret::copy_of(as_bytes("0123456789abcdef"));
    CHECK_NOTHROW(fresh.open(both));
}

TEST_CASE("poor credentials make no repository")
{
    const auto id = random_id<RepositoryId>();
    CHECK(error_name_of([&] { make_first_keys(id, passphrase(""), "", {}); }) == "invalid");
    CHECK(error_name_of([&] { make_first_keys(id, sample_key("fifteen bytes.."), "", {}); }) ==
          "invalid");
    Credentials both = passphrase("one");
    both.key_file = Secret::copy_of(as_bytes("0123456789abcdef"));
    CHECK(error_name_of([&] { make_first_keys(id, both, "", {}); }) == "invalid");
}

TEST_CASE("a repository that needs no key is refused by whoever brings one")
{
    Fresh fresh({});
    CHECK_NOTHROW(fresh.open({}));
    const auto error = error_of([&] { fresh.open(passphrase("a secret")); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::denied);
    CHECK(std::string(error->what()).find("says it needs none") != std::string::npos);
    fresh.config.encrypted = true; // a store may say so, the slot is what it is
    CHECK(fresh.error(sample_key()) == "denied");
}

TEST_CASE("slots are tried in turn, and a damaged one does not hide a good one")
{
    Fresh fresh(sample_key("the first key file"));
    const auto add_slot = [&](const Credentials& credentials) {
        // A slot like the first, for other credentials: what it holds is made anew.
        const NewKeys made = make_first_keys(fresh.config.repository, credentials, "", {});
        fresh.store.create(slot_key(made.slot), made.slot_object, {});
    };
    add_slot(sample_key("the second key file"));
    fresh.store.create(slot_key(random_id<SlotId>()), as_bytes("garbage"), {});
    fresh.store.create("keys/zzz", as_bytes("garbage"), {});
    CHECK_NOTHROW(fresh.open(sample_key("the first key file")));
    // Its keyring is another's, and it says so rather than to open with it.
    CHECK(fresh.error(sample_key("the second key file")) == "damaged");
    // The damaged one may have been the right one.
    CHECK(fresh.error(sample_key("the third key file")) == "damaged");
}

TEST_CASE("a repository without slots or keyring says which is missing")
{
    Fresh fresh(sample_key());
    fresh.store.remove(keyring_key(1), {});
    auto error = error_of([&] { fresh.open(sample_key()); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::damaged);
    CHECK(error->subject() == "keyring/");
    fresh.store.remove(slot_key(fresh.made.slot), {});
    error = error_of([&] { fresh.open(sample_key()); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::damaged);
    CHECK(error->subject() == "keys/");
}

TEST_CASE("keys of another repository do not open this one")
{
    Fresh fresh(sample_key());
    Fresh other(sample_key());
    fresh.store.remove(slot_key(fresh.made.slot), {});
    fresh.store.create(slot_key(other.made.slot), other.made.slot_object, {});
    CHECK(fresh.error(sample_key()) == "damaged");
}

TEST_CASE("a slot under another slot's name is damage")
{
    Fresh fresh(sample_key());
    fresh.store.remove(slot_key(fresh.made.slot), {});
    fresh.store.create(slot_key(random_id<SlotId>()), fresh.made.slot_object, {});
    CHECK(fresh.error(sample_key()) == "damaged");
}

TEST_CASE("a later keyring counts if an admin of the one before signed it")
{
    Fresh fresh(sample_key());
    store_keyring(fresh, *fresh.made.chain, next_keyring(keyring_of(fresh, 1)));
    CHECK_NOTHROW(fresh.open(sample_key()));
    store_keyring(fresh, *fresh.made.chain, next_keyring(keyring_of(fresh, 2)));
    CHECK_NOTHROW(fresh.open(sample_key()));

    SUBCASE("a gap between keyrings is damage")
    {
        fresh.store.remove(keyring_key(2), {});
        const auto error = error_of([&] { fresh.open(sample_key()); });
        REQUIRE(error);
        CHECK(error->code() == ErrorCode::damaged);
        CHECK(error->subject() == keyring_key(2));
    }
}

TEST_CASE("a keyring that a stranger signed is noticed")
{
    Fresh fresh(sample_key());
    Fresh stranger(sample_key("a stranger's key file"));
    SUBCASE("as the first")
    {
        fresh.store.remove(keyring_key(1), {});
        KeyringRecord keyring = keyring_of(stranger, 1);
        keyring.repository = fresh.config.repository;
        store_keyring(fresh, *stranger.made.chain, keyring);
    }
    SUBCASE("as the next")
    {
        store_keyring(fresh, *stranger.made.chain, next_keyring(keyring_of(fresh, 1)));
    }
    SUBCASE("under an admin's name")
    {
        Envelope envelope =
            stranger.made.chain->make_envelope(ObjectType::keyring, KeyClass::open,
                                               encode_keyring(next_keyring(keyring_of(fresh, 1))));
        envelope.signer = fresh.made.slot;
        fresh.store.create(keyring_key(2), encode_envelope(envelope), {});
    }
    CHECK(fresh.error(sample_key()) == "damaged");
}

TEST_CASE("a slot that was taken out of the keyring opens nothing")
{
    Fresh fresh(sample_key());
    KeyringRecord next = next_keyring(keyring_of(fresh, 1));
    next.slots.clear();
    store_keyring(fresh, *fresh.made.chain, next);
    CHECK(fresh.error(sample_key()) == "denied");
}

TEST_CASE("a store with any number of key slots does not keep us busy for ever")
{
    Fresh fresh(passphrase("correct horse"));
    SlotRecord slot = decode_slot(decode_envelope(fresh.made.slot_object).body);
    slot.cost = {1, 8};
    for (int i = 0; i < 65; ++i) {
        slot.id = random_id<SlotId>();
        Envelope envelope;
        envelope.type = ObjectType::slot;
        envelope.body = encode_slot(slot);
        fresh.store.create(slot_key(slot.id), encode_envelope(envelope), {});
    }
    fresh.store.remove(slot_key(fresh.made.slot), {});
    const auto error = error_of([&] { fresh.open(passphrase("correct horse")); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::key);
    CHECK(std::string(error->what()).find("first 64") != std::string::npos);
}

TEST_CASE("a cost that would exhaust the machine is not paid")
{
    Fresh fresh(sample_key());
    SlotRecord slot = decode_slot(decode_envelope(fresh.made.slot_object).body);
    slot.opener = SlotRecord::Opener::passphrase;
    slot.cost = {1, 64 * 1024 * 1024}; // 64 GiB
    Envelope envelope;
    envelope.type = ObjectType::slot;
    envelope.body = encode_slot(slot);
    fresh.store.remove(slot_key(slot.id), {});
    fresh.store.create(slot_key(slot.id), encode_envelope(envelope), {});
    const auto error = error_of([&] { fresh.open(passphrase("anything")); });
    REQUIRE(error);
    CHECK(error->code() == ErrorCode::damaged);
    CHECK(error->subject() == slot_key(slot.id));
}
