#include "canonical.hpp"
#include "pieces.hpp"
#include "repo/key_slots.hpp"
#include "repo/object_keys.hpp"
#include "store/memory_store.hpp"

using namespace backstay::core;

namespace
{

Credentials credentials()
{
    Credentials given;
    given.key_file = Secret::copy_of(as_bytes("a key file of thirty-two bytes.."));
    return given;
}

/// A repository's first slot and keyring, as they should be.
struct Genuine {
    ConfigRecord config;
    NewKeys made;
    Genuine()
    {
        config.repository = RepositoryId::from(Bytes(32, 0x42));
        config.number = 1;
        config.encrypted = true;
        made = make_first_keys(config.repository, credentials(), "first", {});
    }
};

const Genuine& genuine()
{
    static const Genuine made;
    return made;
}

/// What stands in keys/ and keyring/ after somebody who may write there has been at it.
class Tampered
{
public:
    explicit Tampered(Pieces pieces)
    {
        const Genuine& good = genuine();
        put(slot_key(good.made.slot), good.made.slot_object);
        put(keyring_key(1), good.made.keyring_object);
        for (int count = 0; !pieces.at_end() && count < 8; ++count) {
            apply(pieces);
        }
    }

    MemoryStore& store() { return store_; }
    /// Whether something was signed by the admin that the admin did not mean.
    bool by_admin() const { return by_admin_; }

private:
    void put(const std::string& key, ByteSpan bytes)
    {
        store_.remove(key, {});
        store_.create(key, bytes, {});
    }

    void apply(Pieces& pieces)
    {
        const Genuine& good = genuine();
        switch (pieces.byte() % 6) {
        case 0: // any bytes as a slot
            put(slot_key(SlotId{{pieces.byte()}}), pieces.bytes(pieces.number()));
            break;
        case 1: // a slot in order around what it says
            put_slot(pieces.bytes(pieces.number()));
            break;
        case 2: // any bytes as a keyring
            put(keyring_key(1 + pieces.byte() % 4), pieces.bytes(pieces.number()));
            break;
        case 3: // a keyring that the admin signed, whatever it says
            put_keyring(1 + pieces.byte() % 4, pieces.bytes(pieces.number()));
            break;
        case 4: // the slot, altered
            put(slot_key(good.made.slot), altered(good.made.slot_object, pieces));
            break;
        case 5: // what the keyring says, altered and signed again
            put_keyring(1 + pieces.byte() % 2,
                        altered(decode_envelope(good.made.keyring_object).body, pieces));
            break;
        default:
            break;
        }
    }

    void put_slot(ByteSpan body)
    {
        Envelope envelope;
        envelope.type = ObjectType::slot;
        envelope.body.assign(body.begin(), body.end());
        SlotId id{};
        accepts([&] { id = decode_slot(body).id; });
        put(slot_key(id), encode_envelope(envelope));
    }

    void put_keyring(std::uint64_t epoch, ByteSpan body)
    {
        by_admin_ = true;
        put(keyring_key(epoch), encode_envelope(genuine().made.chain->make_envelope(
                                    ObjectType::keyring, KeyClass::open, body)));
    }

    static Bytes altered(Bytes bytes, Pieces& pieces)
    {
        const std::size_t at = pieces.number();
        const ByteSpan with = pieces.bytes(pieces.byte());
        for (std::size_t i = 0; i < with.size() && at + i < bytes.size(); ++i) {
            bytes[at + i] ^= with[i];
        }
        return bytes;
    }

    MemoryStore store_;
    bool by_admin_ = false;
};

} // namespace

// An input is what somebody does to the key slots and keyrings of a repository.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    Tampered tampered(Pieces({data, size}));
    try {
        const auto chain = open_keys(tampered.store(), genuine().config, credentials(), {});
        if (!tampered.by_admin() && !equal(chain->cut_key(), genuine().made.chain->cut_key())) {
            found("keys that no admin signed were taken");
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::damaged && error.code() != ErrorCode::unsupported &&
            error.code() != ErrorCode::key && error.code() != ErrorCode::denied) {
            found(error.what());
        }
    }
    return 0;
}
