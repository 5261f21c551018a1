#pragma once

#include "base/bytes.hpp"
#include "base/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

class Record;

/// A value of a record. Text is UTF-8; raw bytes (paths) are RawText, which JSON shows as text,
/// with NAME_b64 beside it where they are not UTF-8.
struct RawText {
    std::string bytes;
    bool operator==(const RawText&) const = default;
};
struct Seconds {
    std::int64_t seconds = 0;
    std::uint32_t nanoseconds = 0;
    bool operator==(const Seconds&) const = default;
};

/// The one type of result: named fields in order, `type` first. What `--json` prints and the C ABI
/// hands out. A plain value.
class Record
{
public:
    struct Field;

    Record() = default;
    explicit Record(std::string_view type); ///< sets "type"
    static Record list();                   ///< fields without names

    Record& set(std::string_view name, std::int64_t value);
    Record& set(std::string_view name, std::uint64_t value); ///< beyond 2^63 - 1: that
    Record& set(std::string_view name, int value)
    {
        return set(name, static_cast<std::int64_t>(value));
    }
    Record& set(std::string_view name, unsigned value)
    {
        return set(name, static_cast<std::int64_t>(value));
    }
    Record& set(std::string_view name, bool value);
    Record& set(std::string_view name, std::string_view text);
    Record& set(std::string_view name, const char* text)
    {
        return set(name, std::string_view(text));
    }
    Record& set(std::string_view name, RawText bytes);
    Record& set(std::string_view name, Timestamp time);
    Record& set(std::string_view name, Seconds duration);
    Record& set(std::string_view name, Record record);
    Record& set(std::string_view name, const std::vector<std::string>& texts); ///< a list
    Record& add(Record record);                                                ///< to a list
    Record& add_text(std::string_view text);
    Record& add_field(Field field);

    bool is_list() const { return is_list_; }
    const std::vector<Field>& fields() const { return fields_; }
    const Field* find(std::string_view name) const;
    std::int64_t number(std::string_view name, std::int64_t otherwise = 0) const;
    std::string text(std::string_view name, std::string_view otherwise = {}) const;
    /// What a RawText held, after its way through JSON, too.
    std::string raw_text(std::string_view name) const;
    /// The records of a list; empty if there is no such list.
    std::vector<Record> records(std::string_view name) const;

    /// One line, no newline.
    std::string json() const;
    /// An object or array. Throws Error{damaged} if it is not JSON, nests deeper than 32, or is
    /// larger than 16 MiB.
    static Record from_json(std::string_view text);

private:
    std::vector<Field> fields_;
    bool is_list_ = false;
};

struct Record::Field {
    enum class Kind : std::uint8_t {
        number = 1,
        flag = 2,
        text = 3,
        bytes = 4,
        time = 5,
        duration = 6,
        record = 7,
        list = 8
    };
    Kind kind = Kind::number;
    std::string name;
    std::int64_t number = 0; ///< number; flag 0 or 1; time, duration: seconds
    std::uint32_t nanoseconds = 0;
    std::string data;           ///< text, bytes
    std::vector<Record> nested; ///< record, list: exactly one
};

} // namespace backstay::core
