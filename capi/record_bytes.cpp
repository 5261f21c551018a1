#include "record_bytes.hpp"

#include "format/encoding.hpp"

#include <limits>

namespace backstay::capi
{

namespace
{

using core::Record;

void encode(core::Encoder& to, const Record& record)
{
    to.u8(record.is_list() ? 1 : 0);
    to.varint(record.fields().size());
    for (const Record::Field& field : record.fields()) {
        to.u8(static_cast<std::uint8_t>(field.kind));
        to.text(field.name);
        to.zigzag(field.number);
        to.varint(field.nanoseconds);
        to.text(field.data);
        if (!field.nested.empty()) {
            encode(to, field.nested.front());
        }
    }
}

Record decode(core::Decoder& from)
{
    constexpr std::size_t any = std::numeric_limits<std::size_t>::max();
    Record record = from.u8() == 1 ? Record::list() : Record();
    for (std::size_t left = from.count(1); left > 0; --left) {
        Record::Field field;
        field.kind = static_cast<Record::Field::Kind>(from.u8());
        field.name = from.text(any);
        field.number = from.zigzag();
        field.nanoseconds = static_cast<std::uint32_t>(from.varint());
        field.data = from.text(any);
        if (field.kind == Record::Field::Kind::record || field.kind == Record::Field::Kind::list) {
            field.nested.push_back(decode(from));
        }
        record.add_field(std::move(field));
    }
    return record;
}

} // namespace

core::Bytes record_to_bytes(const Record& record)
{
    core::Bytes bytes;
    core::Encoder encoder(bytes);
    encode(encoder, record);
    return bytes;
}

Record record_from_bytes(core::ByteSpan bytes)
{
    core::Decoder decoder(bytes, "record");
    return decode(decoder);
}

} // namespace backstay::capi
