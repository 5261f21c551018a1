#include "guarded.hpp"
#include "handles.hpp"
#include "visible_struct.hpp"

using backstay::capi::guarded_in_callback;
using backstay::capi::is_writable;
using backstay::capi::need;
using backstay::capi::read_struct;
using backstay::capi::write_struct;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::Record;

namespace backstay::capi
{

backstay_record* new_record(Record record)
{
    return new backstay_record{std::move(record), {}, {}};
}

} // namespace backstay::capi

namespace
{

backstay_record* child(const backstay_record* record, std::size_t index)
{
    // The children are a cache of what is immutable; a record is used by one thread at a time.
    auto& owner = const_cast<backstay_record&>(*record);
    owner.children.resize(owner.record.fields().size());
    if (!owner.children[index]) {
        owner.children[index].reset(
            backstay::capi::new_record(owner.record.fields()[index].nested.front()));
    }
    return owner.children[index].get();
}

uint32_t fill(const backstay_record* record, std::size_t index, backstay_field* out)
{
    const Record::Field& field = record->record.fields()[index];
    backstay_field filled{};
    filled.kind = static_cast<uint32_t>(field.kind);
    filled.nanoseconds = field.nanoseconds;
    filled.number = field.number;
    filled.name = record->record.is_list() ? nullptr : field.name.c_str();
    filled.data = field.data.c_str();
    filled.length = field.data.size();
    if (!field.nested.empty()) {
        filled.record = child(record, index);
    }
    if (is_writable(out)) {
        write_struct(out, filled);
    }
    return filled.kind;
}

std::string text_of(const backstay_field& field)
{
    return field.data != nullptr ? std::string(field.data, field.length) : std::string();
}

Record::Field field_from(const backstay_field& given, bool in_list)
{
    Record::Field field;
    if (given.kind < BACKSTAY_FIELD_NUMBER || given.kind > BACKSTAY_FIELD_LIST) {
        throw Error(ErrorCode::invalid, "the field's kind is none of BACKSTAY_FIELD_*");
    }
    if (!in_list && (given.name == nullptr || *given.name == '\0')) {
        throw Error(ErrorCode::invalid, "a field of a record needs a name");
    }
    field.kind = static_cast<Record::Field::Kind>(given.kind);
    field.name = in_list ? "" : given.name;
    field.number = given.number;
    field.nanoseconds = given.nanoseconds;
    field.data = text_of(given);
    if (given.nanoseconds >= 1'000'000'000) {
        throw Error(ErrorCode::invalid, "a field has 10^9 nanoseconds or more");
    }
    if (field.kind == Record::Field::Kind::text && !backstay::core::is_utf8(field.data)) {
        throw Error(ErrorCode::invalid, "a text field is no UTF-8: use BACKSTAY_FIELD_BYTES",
                    field.name);
    }
    const bool nested = given.kind == BACKSTAY_FIELD_RECORD || given.kind == BACKSTAY_FIELD_LIST;
    if (nested) {
        const backstay_record& inner = need(given.record, "record");
        if (inner.record.is_list() != (given.kind == BACKSTAY_FIELD_LIST)) {
            throw Error(ErrorCode::invalid, "the field's kind does not fit its record", field.name);
        }
        field.nested.push_back(inner.record);
    }
    return field;
}

} // namespace

extern "C" {

size_t backstay_record_count(const backstay_record* record)
{
    return record != nullptr ? record->record.fields().size() : 0;
}

uint32_t backstay_record_at(const backstay_record* record, size_t index, backstay_field* out)
{
    if (record == nullptr || index >= record->record.fields().size()) {
        return BACKSTAY_FIELD_NONE;
    }
    try {
        return fill(record, index, out);
    } catch (const std::bad_alloc&) {
        return BACKSTAY_FIELD_NONE;
    }
}

uint32_t backstay_record_get(const backstay_record* record, const char* name, backstay_field* out)
{
    if (record == nullptr || name == nullptr) {
        return BACKSTAY_FIELD_NONE;
    }
    const Record::Field* field = record->record.find(name);
    return field != nullptr
               ? backstay_record_at(
                     record, static_cast<size_t>(field - record->record.fields().data()), out)
               : static_cast<uint32_t>(BACKSTAY_FIELD_NONE);
}

int64_t backstay_record_number(const backstay_record* record, const char* name, int64_t otherwise)
{
    return record != nullptr && name != nullptr ? record->record.number(name, otherwise)
                                                : otherwise;
}

const char* backstay_record_text(const backstay_record* record, const char* name,
                                 const char* otherwise)
{
    const Record::Field* field =
        record != nullptr && name != nullptr ? record->record.find(name) : nullptr;
    const bool textual = field != nullptr && (field->kind == Record::Field::Kind::text ||
                                              field->kind == Record::Field::Kind::bytes);
    return textual ? field->data.c_str() : otherwise;
}

backstay_status backstay_record_json(const backstay_record* record, const char** json,
                                     size_t* length, backstay_error** error)
{
    return guarded_in_callback(error, [&] {
        auto& owner = const_cast<backstay_record&>(need(record, "record"));
        owner.json = owner.record.json();
        need(json, "json") = owner.json.c_str();
        if (length != nullptr) {
            *length = owner.json.size();
        }
        return BACKSTAY_OK;
    });
}

backstay_status backstay_record_new(uint32_t kind, backstay_record** record, backstay_error** error)
{
    return guarded_in_callback(error, [&] {
        if (kind != BACKSTAY_FIELD_RECORD && kind != BACKSTAY_FIELD_LIST) {
            throw Error(ErrorCode::invalid,
                        "kind is neither BACKSTAY_FIELD_RECORD nor BACKSTAY_FIELD_LIST");
        }
        need(record, "record") =
            backstay::capi::new_record(kind == BACKSTAY_FIELD_LIST ? Record::list() : Record());
        return BACKSTAY_OK;
    });
}

backstay_status backstay_record_add(backstay_record* record, const backstay_field* field,
                                    backstay_error** error)
{
    return guarded_in_callback(error, [&] {
        backstay_record& owner = need(record, "record");
        owner.record.add_field(field_from(read_struct(field, "field"), owner.record.is_list()));
        return BACKSTAY_OK;
    });
}

void backstay_record_free(backstay_record* record)
{
    delete record;
}

} // extern "C"
