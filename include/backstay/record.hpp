#pragma once

#include <backstay/error.hpp>

#include <memory>
#include <string>
#include <vector>

namespace backstay
{

/// A result: named fields. Owns its record, or borrows one that lives longer. One thread at a time.
class Record
{
public:
    /// Takes over.
    explicit Record(backstay_record* record) : owned_(record), record_(record) {}
    /// Borrows.
    explicit Record(const backstay_record* record) : record_(record) {}
    /// An empty one.
    Record() : Record(make(BACKSTAY_FIELD_RECORD)) {}

    explicit operator bool() const { return record_ != nullptr; }
    const backstay_record* get() const { return record_; }

    std::string type() const { return text("type"); }
    std::int64_t number(const char* name, std::int64_t otherwise = 0) const
    {
        return backstay_record_number(record_, name, otherwise);
    }
    bool flag(const char* name) const { return number(name) != 0; }
    std::string text(const char* name, const char* otherwise = "") const
    {
        backstay_field field = empty_field();
        const std::uint32_t kind = backstay_record_get(record_, name, &field);
        const bool textual = kind == BACKSTAY_FIELD_TEXT || kind == BACKSTAY_FIELD_BYTES;
        return textual ? std::string(field.data, field.length) : std::string(otherwise);
    }
    bool has(const char* name) const
    {
        return backstay_record_get(record_, name, nullptr) != BACKSTAY_FIELD_NONE;
    }
    /// A time or duration, in seconds with a fraction.
    double seconds(const char* name) const
    {
        backstay_field field = empty_field();
        backstay_record_get(record_, name, &field);
        return static_cast<double>(field.number) + field.nanoseconds / 1e9;
    }
    /// A nested record or list; borrowed from this one.
    Record nested(const char* name) const
    {
        backstay_field field = empty_field();
        backstay_record_get(record_, name, &field);
        return Record(field.record);
    }

    std::size_t size() const { return backstay_record_count(record_); }
    backstay_field at(std::size_t index) const
    {
        backstay_field field = empty_field();
        backstay_record_at(record_, index, &field);
        return field;
    }
    /// Of a list of texts.
    std::vector<std::string> texts() const
    {
        std::vector<std::string> out;
        for (std::size_t i = 0; i < size(); ++i) {
            const backstay_field field = at(i);
            out.emplace_back(field.data != nullptr ? field.data : "", field.length);
        }
        return out;
    }
    /// Of a list of records; borrowed from this one.
    std::vector<Record> records() const
    {
        std::vector<Record> out;
        for (std::size_t i = 0; i < size(); ++i) {
            out.emplace_back(at(i).record);
        }
        return out;
    }

    /// One line.
    std::string json() const
    {
        const char* text = nullptr;
        std::size_t length = 0;
        detail::Failure failure;
        detail::check(backstay_record_json(record_, &text, &length, failure.out()), failure);
        return {text, length};
    }

    Record& set(const std::string& name, std::int64_t value)
    {
        return add(BACKSTAY_FIELD_NUMBER, name, value, {}, nullptr);
    }
    Record& set(const std::string& name, const std::string& text)
    {
        return add(BACKSTAY_FIELD_TEXT, name, 0, text, nullptr);
    }
    Record& set(const std::string& name, const char* text) { return set(name, std::string(text)); }
    Record& set(const std::string& name, const Record& record)
    {
        return add(BACKSTAY_FIELD_RECORD, name, 0, {}, record.get());
    }
    Record& set_bytes(const std::string& name, const std::string& bytes)
    {
        return add(BACKSTAY_FIELD_BYTES, name, 0, bytes, nullptr);
    }

private:
    struct Free {
        void operator()(backstay_record* record) const noexcept { backstay_record_free(record); }
    };

    static backstay_field empty_field()
    {
        backstay_field field{};
        field.struct_size = sizeof field;
        return field;
    }
    static backstay_record* make(std::uint32_t kind)
    {
        backstay_record* record = nullptr;
        detail::Failure failure;
        detail::check(backstay_record_new(kind, &record, failure.out()), failure);
        return record;
    }
    Record& add(std::uint32_t kind, const std::string& name, std::int64_t number,
                const std::string& data, const backstay_record* record)
    {
        backstay_field field = empty_field();
        field.kind = kind;
        field.name = name.c_str();
        field.number = number;
        field.data = data.data();
        field.length = data.size();
        field.record = record;
        detail::Failure failure;
        detail::check(backstay_record_add(owned_.get(), &field, failure.out()), failure);
        return *this;
    }

    std::unique_ptr<backstay_record, Free> owned_;
    const backstay_record* record_;
};

} // namespace backstay
