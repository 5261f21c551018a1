#pragma once

#include "base/bytes.hpp"
#include "postgres/archive_format.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace backstay::core
{

/// Writes archives as pg_dump's custom format has them.
class SampleArchive
{
public:
    struct Object {
        int id = 1;
        bool has_data = false;
        std::string kind = "TABLE";
        std::string schema = "public";
        std::string tag;
        std::string definition;
        std::string copy;
        std::vector<int> dependencies;
        int section = 2;
    };

    explicit SampleArchive(int minor = 14) : minor_(minor) {}

    SampleArchive& add(Object object)
    {
        objects_.push_back(std::move(object));
        return *this;
    }
    SampleArchive& table_data(int id, std::string tag, std::string schema = "public",
                              std::vector<int> dependencies = {})
    {
        Object object;
        object.id = id;
        object.has_data = true;
        object.kind = "TABLE DATA";
        object.copy = "COPY \"" + schema + "\".\"" + tag + "\" (\"a\") FROM stdin;\n";
        object.schema = std::move(schema);
        object.tag = std::move(tag);
        object.section = 3;
        object.dependencies = std::move(dependencies);
        return add(std::move(object));
    }

    /// Header and table of contents.
    Bytes contents() const
    {
        Bytes out;
        append(out, as_bytes("PGDMP"));
        for (const int byte : {1, minor_, 0, 4, 8, 1}) {
            out.push_back(static_cast<std::uint8_t>(byte));
        }
        if (minor_ >= 15) {
            out.push_back(0);
        } else {
            append_postgres_integer(out, 0);
        }
        for (int i = 0; i < 7; ++i) {
            append_postgres_integer(out, i);
        }
        text(out, "sample");
        text(out, "15.18");
        text(out, "15.18");
        append_postgres_integer(out, static_cast<std::int64_t>(objects_.size()));
        for (const Object& object : objects_) {
            write(out, object);
        }
        return out;
    }

    static void rows(Bytes& out, int id, const std::vector<std::string>& rows)
    {
        begin(out, postgres_block_data, id);
        for (const std::string& row : rows) {
            piece(out, row + "\n");
        }
        piece(out, postgres_rows_end);
        append_postgres_integer(out, 0);
    }
    static void objects(Bytes& out, int id,
                        const std::vector<std::pair<std::int64_t, std::string>>& objects)
    {
        begin(out, postgres_block_objects, id);
        for (const auto& [number, bytes] : objects) {
            append_postgres_integer(out, number);
            if (!bytes.empty()) {
                piece(out, bytes);
            }
            append_postgres_integer(out, 0);
        }
        append_postgres_integer(out, 0);
    }
    static void begin(Bytes& out, std::uint8_t kind, int id)
    {
        out.push_back(kind);
        append_postgres_integer(out, id);
    }
    static void piece(Bytes& out, std::string_view bytes)
    {
        append_postgres_integer(out, static_cast<std::int64_t>(bytes.size()));
        append(out, as_bytes(bytes));
    }

private:
    static void text(Bytes& out, const std::optional<std::string>& value)
    {
        append_postgres_integer(out, value ? static_cast<std::int64_t>(value->size()) : -1);
        append(out, as_bytes(value.value_or("")));
    }

    void write(Bytes& out, const Object& object) const
    {
        append_postgres_integer(out, object.id);
        append_postgres_integer(out, object.has_data ? 1 : 0);
        text(out, "1259");
        text(out, std::to_string(16384 + object.id));
        text(out, object.tag);
        text(out, object.kind);
        append_postgres_integer(out, object.section);
        text(out, object.definition);
        text(out, std::nullopt);
        text(out, object.copy.empty() ? std::nullopt : std::optional(object.copy));
        text(out, object.schema);
        text(out, std::nullopt);
        text(out, "heap");
        if (minor_ >= 16) {
            append_postgres_integer(out, 'r');
        }
        text(out, "postgres");
        text(out, "false");
        for (const int id : object.dependencies) {
            text(out, std::to_string(id));
        }
        text(out, std::nullopt);
        out.push_back(object.has_data ? 1 : 3);
        out.insert(out.end(), 8, 0);
    }

    int minor_;
    std::vector<Object> objects_;
};

} // namespace backstay::core
