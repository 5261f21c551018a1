#include "postgres/rows.hpp"

#include "base/error.hpp"

#include <libpq-fe.h>

namespace backstay::core
{

void PostgresRows::Clear::operator()(pg_result* result) const noexcept
{
    PQclear(result);
}

int PostgresRows::rows() const
{
    return result_ ? PQntuples(result_.get()) : 0;
}

int PostgresRows::columns() const
{
    return result_ ? PQnfields(result_.get()) : 0;
}

bool PostgresRows::is_null(int row, int column) const
{
    return row >= rows() || column < 0 || column >= columns() ||
           PQgetisnull(result_.get(), row, column) != 0;
}

std::string_view PostgresRows::text(int row, int column) const
{
    if (row < 0 || row >= rows() || column < 0 || column >= columns()) {
        throw Error(ErrorCode::source,
                    "PostgreSQL's answer has fewer rows or columns than asked for");
    }
    return {PQgetvalue(result_.get(), row, column),
            static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

int PostgresRows::column(const char* name) const
{
    return result_ ? PQfnumber(result_.get(), name) : -1;
}

} // namespace backstay::core
