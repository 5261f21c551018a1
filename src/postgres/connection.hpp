#pragma once

#include "base/bytes.hpp"
#include "postgres/rows.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

struct pg_conn;

namespace backstay::core
{

struct PostgresConnectOptions {
    /// libpq's keyword/value string or URI; "": the environment's. Without a password: that comes
    /// from ~/.pgpass, a passfile, a service file or the environment.
    std::string conninfo;
    enum class Session : std::uint8_t {
        ordinary,             ///< SQL; idle, statement and lock timeouts are turned off
        replication,          ///< the replication protocol; pg_hba's keyword "replication"
        database_replication, ///< both on one connection; pg_hba's database name
    };
    Session session = Session::ordinary;
    std::string database; ///< overrides the conninfo's; "": that one, or libpq's default
    std::chrono::seconds patience{30}; ///< for the connection to stand
};

/// One connection to a server. Every wait sees the stop token (Error{cancelled}) and has a
/// deadline; TCP keepalives are on.
///
/// What the server refuses is thrown as Error{source} with its message, detail, hint and SQLSTATE:
/// denied for 28xxx and 42501, busy for 53300, not_found for 3D000, unavailable for 57P03, conflict
/// for 55000. A connection that broke is Error{source}, too, and stays broken. One thread at a
/// time.
class PostgresConnection
{
public:
    using Patience = std::chrono::milliseconds;
    static constexpr Patience usual_patience = std::chrono::minutes(10);

    /// Throws Error, with the way to give a password where the server asks for one.
    PostgresConnection(const PostgresConnectOptions& options, std::stop_token stop);
    /// Asks the server to stop what it does for us, if anything, and closes.
    ~PostgresConnection();
    PostgresConnection(const PostgresConnection&) = delete;
    PostgresConnection& operator=(const PostgresConnection&) = delete;

    /// 150018 for 15.18.
    int server_version() const;
    /// A parameter the server reports ("server_version", "is_superuser"…); "" if it does not.
    std::string parameter(const char* name) const;
    std::string server_name() const { return name_; }
    std::string database() const;
    std::string user() const;

    /// One command that gives rows or none.
    PostgresRows query(const std::string& sql, Patience patience = usual_patience);
    /// The same with parameters $1, $2… as text (ordinary sessions).
    PostgresRows query(const std::string& sql, const std::vector<std::string>& parameters,
                       Patience patience = usual_patience);
    /// The first column of the first row. Throws Error{source} if there is no row.
    std::string value(const std::string& sql, Patience patience = usual_patience);

    /// Starts a command whose results next_result() gives one by one.
    void start(const std::string& sql);
    enum class Kind : std::uint8_t {
        rows,      ///< fetched by rows()
        done,      ///< a command that gives no rows has ended well
        copy_out,  ///< read by copy_read()
        copy_in,   ///< written by copy_write()
        copy_both, ///< both
        none,      ///< the command is over
    };
    /// Waits. A COPY must have been drained before. Throws what the server refused.
    Kind next_result(Patience patience = usual_patience);
    PostgresRows rows() { return std::move(rows_); }

    /// The next piece of COPY data; empty at its end, after which next_result() says whether all
    /// went well. Valid until the next call.
    std::optional<ByteSpan> copy_read(Patience patience = usual_patience);
    enum class Ready : std::uint8_t { data, end, not_yet };
    /// Gives what is there without waiting.
    Ready copy_poll(ByteSpan& data);
    /// Waits until there may be something for copy_poll(), at most that long. False: nothing came.
    bool wait_readable(std::chrono::milliseconds longest);
    void copy_write(ByteSpan data, Patience patience = usual_patience);
    /// Ends our side of a COPY; `failure`: makes the server throw away what it got (COPY IN).
    void copy_end(const char* failure = nullptr, Patience patience = usual_patience);

    /// Asks the server to stop the running command. Never waits longer than a second.
    void cancel() noexcept;

    /// Of what the server refused last; "" if it was the connection.
    const std::string& sqlstate() const { return sqlstate_; }
    /// Warnings since the last call, as the server wrote them; beyond 1,000 the rest is dropped.
    std::vector<std::string> take_warnings();

private:
    struct Finish {
        void operator()(pg_conn* connection) const noexcept;
    };
    struct Wake;
    struct CopyPiece;

    void connect(const PostgresConnectOptions& options);
    void turn_timeouts_off();
    pg_result* wait_result(Patience patience);
    PostgresRows collect(Patience patience);
    bool wait(short events, std::chrono::steady_clock::time_point deadline);
    void wait_or_throw(short events, std::chrono::steady_clock::time_point deadline);
    void flush(std::chrono::steady_clock::time_point deadline);
    void consume();
    [[noreturn]] void throw_broken(const std::string& what);

    std::string name_;
    std::stop_token stop_;
    std::unique_ptr<Wake> wake_;
    std::vector<std::string> warnings_;
    std::unique_ptr<pg_conn, Finish> connection_;
    PostgresRows rows_;
    std::unique_ptr<CopyPiece> piece_;
    std::string sqlstate_;
    std::size_t unsent_ = 0;
    bool busy_ = false; ///< a command runs
};

} // namespace backstay::core
