#include "base/record.hpp"

#include "base/error.hpp"

#include <limits>
#include <nlohmann/json.hpp>

namespace backstay::core
{

namespace
{

using Json = nlohmann::ordered_json;
using Kind = Record::Field::Kind;

constexpr std::size_t max_json_size = 16 * MiB;
constexpr int max_json_depth = 32;

std::string lossy_utf8(const std::string& bytes)
{
    // dump() replaces what is not UTF-8 by U+FFFD; a quoted round trip gives that text.
    return Json::parse(Json(bytes).dump(-1, ' ', false, Json::error_handler_t::replace))
        .get<std::string>();
}

Json to_json(const Record& record);

/// Fractions of a second without trailing zeros, as a JSON number.
Json duration_json(const Record::Field& field)
{
    if (field.nanoseconds == 0) {
        return field.number;
    }
    return static_cast<double>(field.number) + static_cast<double>(field.nanoseconds) / 1e9;
}

Json value_json(const Record::Field& field)
{
    switch (field.kind) {
    case Kind::number:
        return field.number;
    case Kind::flag:
        return field.number != 0;
    case Kind::text:
        return lossy_utf8(field.data);
    case Kind::bytes:
        return is_utf8(field.data) ? Json(field.data) : Json(lossy_utf8(field.data));
    case Kind::time:
        return format_time({field.number, field.nanoseconds});
    case Kind::duration:
        return duration_json(field);
    case Kind::record:
    case Kind::list:
        return to_json(field.nested.front());
    }
    return nullptr;
}

Json to_json(const Record& record)
{
    Json out = record.is_list() ? Json::array() : Json::object();
    for (const Record::Field& field : record.fields()) {
        if (record.is_list()) {
            out.push_back(value_json(field));
            continue;
        }
        out[field.name] = value_json(field);
        if (field.kind == Kind::bytes && !is_utf8(field.data)) {
            out[field.name + "_b64"] = to_base64(as_bytes(field.data));
        }
    }
    return out;
}

Record::Field field_from(const std::string& name, const Json& json, int depth);

Record record_from(const Json& json, int depth)
{
    if (depth > max_json_depth) {
        throw Error(ErrorCode::damaged, "the JSON text nests too deep");
    }
    Record record = json.is_array() ? Record::list() : Record();
    for (const auto& item : json.items()) {
        record.add_field(
            field_from(json.is_array() ? std::string() : item.key(), item.value(), depth + 1));
    }
    return record;
}

Record::Field field_from(const std::string& name, const Json& json, int depth)
{
    Record::Field field;
    field.name = name;
    if (json.is_boolean()) {
        field.kind = Kind::flag;
        field.number = json.get<bool>() ? 1 : 0;
    } else if (json.is_number_unsigned()) {
        const auto value = json.get<std::uint64_t>();
        constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        field.number = static_cast<std::int64_t>(std::min(value, most));
    } else if (json.is_number_integer()) {
        field.number = json.get<std::int64_t>();
    } else if (json.is_structured()) {
        field.kind = json.is_array() ? Kind::list : Kind::record;
        field.nested.push_back(record_from(json, depth));
    } else {
        // Fractions and null have no kind of their own: they stay as written.
        field.kind = Kind::text;
        field.data = json.is_string() ? json.get<std::string>() : json.dump();
    }
    return field;
}

} // namespace

Record::Record(std::string_view type)
{
    set("type", type);
}

Record Record::list()
{
    Record record;
    record.is_list_ = true;
    return record;
}

Record& Record::add_field(Field field)
{
    fields_.push_back(std::move(field));
    return *this;
}

namespace
{

Record::Field make_field(std::string_view name, Kind kind)
{
    Record::Field field;
    field.kind = kind;
    field.name = name;
    return field;
}

} // namespace

Record& Record::set(std::string_view name, std::int64_t value)
{
    Field field = make_field(name, Kind::number);
    field.number = value;
    return add_field(std::move(field));
}

Record& Record::set(std::string_view name, std::uint64_t value)
{
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    return set(name, static_cast<std::int64_t>(std::min(value, most)));
}

Record& Record::set(std::string_view name, bool value)
{
    Field field = make_field(name, Kind::flag);
    field.number = value ? 1 : 0;
    return add_field(std::move(field));
}

Record& Record::set(std::string_view name, std::string_view text)
{
    Field field = make_field(name, Kind::text);
    field.data = text;
    return add_field(std::move(field));
}

Record& Record::set(std::string_view name, RawText bytes)
{
    Field field = make_field(name, Kind::bytes);
    field.data = std::move(bytes.bytes);
    return add_field(std::move(field));
}

Record& Record::set(std::string_view name, Timestamp time)
{
    Field field = make_field(name, Kind::time);
    field.number = time.seconds;
    field.nanoseconds = time.nanoseconds;
    return add_field(std::move(field));
}

Record& Record::set(std::string_view name, Seconds duration)
{
    Field field = make_field(name, Kind::duration);
    field.number = duration.seconds;
    field.nanoseconds = duration.nanoseconds;
    return add_field(std::move(field));
}

Record& Record::set(std::string_view name, Record record)
{
    Field field = make_field(name, record.is_list() ? Kind::list : Kind::record);
    field.nested.push_back(std::move(record));
    return add_field(std::move(field));
}

Record& Record::set(std::string_view name, const std::vector<std::string>& texts)
{
    Record values = list();
    for (const std::string& text : texts) {
        values.add_text(text);
    }
    return set(name, std::move(values));
}

Record& Record::add(Record record)
{
    return set("", std::move(record));
}

Record& Record::add_text(std::string_view text)
{
    // Raw, so that a path in a list that is not UTF-8 is still all there for the C ABI.
    return set("", RawText{std::string(text)});
}

const Record::Field* Record::find(std::string_view name) const
{
    for (const Field& field : fields_) {
        if (field.name == name) {
            return &field;
        }
    }
    return nullptr;
}

std::int64_t Record::number(std::string_view name, std::int64_t otherwise) const
{
    const Field* field = find(name);
    const bool numeric =
        field != nullptr && (field->kind == Kind::number || field->kind == Kind::flag ||
                             field->kind == Kind::time || field->kind == Kind::duration);
    return numeric ? field->number : otherwise;
}

std::string Record::text(std::string_view name, std::string_view otherwise) const
{
    const Field* field = find(name);
    const bool textual =
        field != nullptr && (field->kind == Kind::text || field->kind == Kind::bytes);
    return textual ? field->data : std::string(otherwise);
}

std::string Record::raw_text(std::string_view name) const
{
    const auto bytes = from_base64(text(std::string(name) + "_b64"));
    return bytes && !bytes->empty() ? std::string(as_text(*bytes)) : text(name);
}

std::vector<Record> Record::records(std::string_view name) const
{
    std::vector<Record> found;
    const Field* field = find(name);
    if (field != nullptr && field->kind == Kind::list) {
        for (const Field& item : field->nested.front().fields()) {
            if (item.kind == Kind::record) {
                found.push_back(item.nested.front());
            }
        }
    }
    return found;
}

std::string Record::json() const
{
    return to_json(*this).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Record Record::from_json(std::string_view text)
{
    if (text.size() > max_json_size) {
        throw Error(ErrorCode::damaged, "the JSON text is larger than 16 MiB");
    }
    int depth = 0;
    // Stops the parser itself from going deeper than we look.
    const auto bounded = [&depth](int level, Json::parse_event_t, Json&) {
        depth = std::max(depth, level);
        return level <= max_json_depth;
    };
    const Json json = Json::parse(text, bounded, false);
    if (depth > max_json_depth || !json.is_structured()) {
        throw Error(ErrorCode::damaged, "this is not the JSON text of an object or a list");
    }
    return record_from(json, 0);
}

} // namespace backstay::core
