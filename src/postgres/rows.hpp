#pragma once

#include <memory>
#include <string_view>

struct pg_result;

namespace backstay::core
{

/// Rows of a result, in text form. Movable.
class PostgresRows
{
public:
    PostgresRows() = default;
    explicit PostgresRows(pg_result* result) : result_(result) {}

    int rows() const;
    int columns() const;
    bool is_null(int row, int column) const;
    /// "" for NULL. Valid as long as the rows are. Throws Error{source} where there is no such
    /// place: the server's answer is not what was asked for.
    std::string_view text(int row, int column) const;
    /// The column of this name; -1 if there is none.
    int column(const char* name) const;
    pg_result* get() const { return result_.get(); }

private:
    struct Clear {
        void operator()(pg_result* result) const noexcept;
    };
    std::unique_ptr<pg_result, Clear> result_;
};

} // namespace backstay::core
