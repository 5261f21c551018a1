#include "base/secret.hpp"
#include "canonical.hpp"
#include "choice.hpp"
#include "format/encoding.hpp"
#include "format/repository_records.hpp"
#include "format/snapshot_record.hpp"

using namespace backstay::core;

namespace
{

Bytes bytes_of(const Secret& secret)
{
    return Bytes(secret.span().begin(), secret.span().end());
}

Bytes encode_keys(const ClassKeys& keys)
{
    return bytes_of(encode_class_keys(keys));
}

Bytes encode_secrets(const SlotSecrets& secrets)
{
    return bytes_of(encode_slot_secrets(secrets));
}

ProblemRecord decode_one_problem(ByteSpan bytes)
{
    Decoder from(bytes, "problem");
    ProblemRecord problem = decode_problem(from);
    from.finish();
    return problem;
}

Bytes encode_one_problem(const ProblemRecord& problem)
{
    Bytes out;
    Encoder to(out);
    encode_problem(to, problem);
    return out;
}

} // namespace

// An input is the kind of record (1 byte) and its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    return read_by_choice(
        data, size,
        {[](ByteSpan bytes) { demand_one_form(bytes, decode_config, encode_config); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_keyring, encode_keyring); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_class_keys, encode_keys); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_slot, encode_slot); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_slot_secrets, encode_secrets); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_session, encode_session); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_tombstone, encode_tombstone); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_condemnation, encode_condemnation); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_note, encode_note); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_snapshot, encode_snapshot); },
         [](ByteSpan bytes) { demand_one_form(bytes, decode_one_problem, encode_one_problem); }});
}
