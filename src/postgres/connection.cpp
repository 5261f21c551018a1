#include "postgres/connection.hpp"

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/thread.hpp"
#include "base/worker_group.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/refusal.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstdlib>
#include <fmt/core.h>
#include <functional>
#include <libpq-fe.h>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

namespace backstay::core
{

namespace
{

using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t most_warnings = 1000;
constexpr auto cancel_patience = std::chrono::seconds(1);
constexpr std::size_t unsent_before_waiting = 1 * MiB;
constexpr std::int64_t look_again_ms = 50;
constexpr std::size_t small_message = 256; ///< a status, not data: it is to be sent now

struct FreeText {
    void operator()(char* text) const noexcept { PQfreemem(text); }
};

struct FreeCancel {
    void operator()(PGcancel* cancel) const noexcept { PQfreeCancel(cancel); }
};

/// Keyword and value pairs as PQconnectStartParams takes them; a later one overrides.
class ConnectParameters
{
public:
    void set(const char* keyword, std::string value)
    {
        keywords_.push_back(keyword);
        values_.push_back(std::move(value));
    }
    PGconn* start() const
    {
        std::vector<const char*> keywords = keywords_;
        std::vector<const char*> values;
        std::transform(values_.begin(), values_.end(), std::back_inserter(values),
                       [](const std::string& value) { return value.c_str(); });
        keywords.push_back(nullptr);
        values.push_back(nullptr);
        return PQconnectStartParams(keywords.data(), values.data(), 1);
    }

private:
    std::vector<const char*> keywords_;
    std::vector<std::string> values_;
};

ConnectParameters parameters_of(const PostgresConnectOptions& options)
{
    ConnectParameters parameters;
    // What the conninfo may override: a network that went away is found within a minute.
    parameters.set("keepalives_idle", "20");
    parameters.set("keepalives_interval", "10");
    parameters.set("keepalives_count", "4");
    parameters.set("tcp_user_timeout", "60000");
    parameters.set("fallback_application_name", "backstay");
    parameters.set("dbname", options.conninfo);
    if (!options.database.empty()) {
        parameters.set("dbname", options.database);
    }
    parameters.set("client_encoding", "UTF8");
    if (options.session == PostgresConnectOptions::Session::replication) {
        parameters.set("replication", "true");
    } else if (options.session == PostgresConnectOptions::Session::database_replication) {
        parameters.set("replication", "database");
    }
    return parameters;
}

void remember_notice(void* to, const PGresult* result)
{
    auto& warnings = *static_cast<std::vector<std::string>*>(to);
    const char* severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    const bool matters = severity != nullptr && std::string_view(severity) == "WARNING";
    if (matters && warnings.size() < most_warnings) {
        warnings.push_back(postgres_error_field(result, PG_DIAG_MESSAGE_PRIMARY));
    }
}

} // namespace

/// Makes a stop request wake poll().
struct PostgresConnection::Wake {
    explicit Wake(const std::stop_token& stop)
        : event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), on_stop(stop, [this] {
              const std::uint64_t one = 1;
              [[maybe_unused]] const ssize_t written = ::write(event.get(), &one, sizeof one);
          })
    {
    }
    FileDescriptor event;
    std::stop_callback<std::function<void()>> on_stop;
};

struct PostgresConnection::CopyPiece {
    std::unique_ptr<char, FreeText> data;
};

void PostgresConnection::Finish::operator()(pg_conn* connection) const noexcept
{
    PQfinish(connection);
}

PostgresConnection::PostgresConnection(const PostgresConnectOptions& options, std::stop_token stop)
    : name_(postgres_server_name(options.conninfo)), stop_(std::move(stop)),
      wake_(std::make_unique<Wake>(stop_)), piece_(std::make_unique<CopyPiece>())
{
    check_postgres_conninfo(options.conninfo);
    connect(options);
    if (options.session == PostgresConnectOptions::Session::ordinary) {
        turn_timeouts_off();
    }
}

PostgresConnection::~PostgresConnection()
{
    if (busy_ && connection_ && PQstatus(connection_.get()) == CONNECTION_OK) {
        cancel();
    }
}

void PostgresConnection::connect(const PostgresConnectOptions& options)
{
    throw_if_stopped(stop_);
    connection_.reset(parameters_of(options).start());
    if (!connection_) {
        throw Error(ErrorCode::no_memory, "out of memory");
    }
    const SteadyClock::time_point deadline = SteadyClock::now() + options.patience;
    short events = POLLOUT;
    for (PostgresPollingStatusType state = PGRES_POLLING_WRITING; state != PGRES_POLLING_OK;) {
        if (PQstatus(connection_.get()) != CONNECTION_BAD && !wait(events, deadline)) {
            throw Error(ErrorCode::source,
                        fmt::format("no connection within {} s", options.patience.count()), name_);
        }
        state = PQconnectPoll(connection_.get());
        events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (state == PGRES_POLLING_FAILED || PQstatus(connection_.get()) == CONNECTION_BAD) {
            throw postgres_connect_refusal(connection_.get(), name_);
        }
    }
    PQsetNoticeReceiver(connection_.get(), remember_notice, &warnings_);
    if (PQsetnonblocking(connection_.get(), 1) != 0) {
        throw_broken("cannot talk to the server");
    }
}

/// The host's or the role's settings must not end a long backup.
void PostgresConnection::turn_timeouts_off()
{
    query("SET statement_timeout = 0");
    query("SET lock_timeout = 0");
    query("SET idle_in_transaction_session_timeout = 0");
    if (server_version() >= 140000) {
        query("SET idle_session_timeout = 0");
    }
    if (server_version() >= 170000) {
        query("SET transaction_timeout = 0");
    }
}

int PostgresConnection::server_version() const
{
    return PQserverVersion(connection_.get());
}

std::string PostgresConnection::parameter(const char* name) const
{
    const char* value = PQparameterStatus(connection_.get(), name);
    return value != nullptr ? value : "";
}

std::string PostgresConnection::database() const
{
    return PQdb(connection_.get());
}

std::string PostgresConnection::user() const
{
    return PQuser(connection_.get());
}

void PostgresConnection::throw_broken(const std::string& what)
{
    const std::string text = postgres_text_line(PQerrorMessage(connection_.get()));
    throw Error(ErrorCode::source, text.empty() ? what : what + ": " + text, name_);
}

/// False once the deadline has passed. Throws Error{cancelled}.
bool PostgresConnection::wait(short events, SteadyClock::time_point deadline)
{
    // TLS may hold bytes that it has read already, which no poll() shows: then look again.
    const bool encrypted = PQsslInUse(connection_.get()) != 0;
    const std::int64_t longest = encrypted ? look_again_ms : 1 << 30;
    for (;;) {
        throw_if_stopped(stop_);
        std::array<pollfd, 2> waiting{
            {{PQsocket(connection_.get()), events, 0}, {wake_->event.get(), POLLIN, 0}}};
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - SteadyClock::now()).count();
        const int ready = ::poll(waiting.data(), waiting.size(),
                                 static_cast<int>(std::clamp<std::int64_t>(left, 0, longest)));
        if (ready < 0 && errno != EINTR) {
            throw_system_error(errno, "cannot wait for the server", name_, ErrorCode::source);
        }
        throw_if_stopped(stop_);
        if (ready > 0 && waiting[0].revents != 0) {
            return true;
        }
        if (left <= 0) {
            return false;
        }
        if (encrypted) {
            return true;
        }
    }
}

void PostgresConnection::wait_or_throw(short events, SteadyClock::time_point deadline)
{
    if (!wait(events, deadline)) {
        throw Error(ErrorCode::source, "the server did not answer in time", name_);
    }
}

void PostgresConnection::consume()
{
    if (PQconsumeInput(connection_.get()) == 0) {
        throw_broken("the connection to the server is lost");
    }
}

void PostgresConnection::flush(SteadyClock::time_point deadline)
{
    for (;;) {
        const int state = PQflush(connection_.get());
        if (state == 0) {
            return;
        }
        if (state < 0) {
            throw_broken("the connection to the server is lost");
        }
        // The server may have to get rid of something before it takes more.
        wait_or_throw(POLLIN | POLLOUT, deadline);
        consume();
    }
}

/// Null once the command is over.
pg_result* PostgresConnection::wait_result(Patience patience)
{
    const SteadyClock::time_point deadline = SteadyClock::now() + patience;
    flush(deadline);
    while (PQisBusy(connection_.get()) != 0) {
        wait_or_throw(POLLIN, deadline);
        consume();
    }
    return PQgetResult(connection_.get());
}

void PostgresConnection::start(const std::string& sql)
{
    throw_if_stopped(stop_);
    if (PQsendQuery(connection_.get(), sql.c_str()) == 0) {
        throw_broken("cannot send a command");
    }
    busy_ = true;
}

PostgresConnection::Kind PostgresConnection::next_result(Patience patience)
{
    rows_ = PostgresRows(wait_result(patience));
    if (rows_.get() == nullptr) {
        busy_ = false;
        return Kind::none;
    }
    switch (PQresultStatus(rows_.get())) {
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
        return Kind::rows;
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
        return Kind::done;
    case PGRES_COPY_OUT:
        return Kind::copy_out;
    case PGRES_COPY_IN:
        return Kind::copy_in;
    case PGRES_COPY_BOTH:
        return Kind::copy_both;
    default:
        break;
    }
    const PostgresRows refusal = std::move(rows_);
    sqlstate_ = postgres_error_field(refusal.get(), PG_DIAG_SQLSTATE);
    throw postgres_refusal(refusal.get(), name_);
}

/// The last rows of a command that is over then. What it refused is thrown when it is over, too.
PostgresRows PostgresConnection::collect(Patience patience)
{
    PostgresRows last;
    std::optional<Error> refused;
    for (;;) {
        try {
            const Kind kind = next_result(patience);
            if (kind == Kind::none) {
                break;
            }
            if (kind == Kind::copy_in || kind == Kind::copy_out || kind == Kind::copy_both) {
                throw Error(ErrorCode::internal, "a COPY was started as a query");
            }
            last = std::move(rows_);
        } catch (const Error& error) {
            // A broken connection gives its error for ever.
            if (error.code() == ErrorCode::cancelled || error.code() == ErrorCode::internal ||
                refused || PQstatus(connection_.get()) != CONNECTION_OK) {
                throw;
            }
            refused = error;
        }
    }
    if (refused) {
        throw Error(*refused);
    }
    return last;
}

PostgresRows PostgresConnection::query(const std::string& sql, Patience patience)
{
    start(sql);
    return collect(patience);
}

PostgresRows PostgresConnection::query(const std::string& sql,
                                       const std::vector<std::string>& parameters,
                                       Patience patience)
{
    throw_if_stopped(stop_);
    std::vector<const char*> values;
    std::transform(parameters.begin(), parameters.end(), std::back_inserter(values),
                   [](const std::string& value) { return value.c_str(); });
    if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                          values.data(), nullptr, nullptr, 0) == 0) {
        throw_broken("cannot send a command");
    }
    busy_ = true;
    return collect(patience);
}

std::string PostgresConnection::value(const std::string& sql, Patience patience)
{
    return std::string(query(sql, patience).text(0, 0));
}

PostgresConnection::Ready PostgresConnection::copy_poll(ByteSpan& data)
{
    throw_if_stopped(stop_);
    char* raw = nullptr;
    const int size = PQgetCopyData(connection_.get(), &raw, 1);
    piece_->data.reset(raw);
    if (size > 0) {
        data = as_bytes({raw, static_cast<std::size_t>(size)});
        return Ready::data;
    }
    if (size == 0) {
        return Ready::not_yet;
    }
    if (size == -2) {
        throw_broken("the connection to the server is lost");
    }
    return Ready::end;
}

bool PostgresConnection::wait_readable(std::chrono::milliseconds longest)
{
    if (!wait(POLLIN, SteadyClock::now() + longest)) {
        return false;
    }
    consume();
    return true;
}

std::optional<ByteSpan> PostgresConnection::copy_read(Patience patience)
{
    const SteadyClock::time_point deadline = SteadyClock::now() + patience;
    ByteSpan data;
    for (;;) {
        switch (copy_poll(data)) {
        case Ready::data:
            return data;
        case Ready::end:
            return std::nullopt;
        case Ready::not_yet:
            wait_or_throw(POLLIN, deadline);
            consume();
        }
    }
}

void PostgresConnection::copy_write(ByteSpan data, Patience patience)
{
    const SteadyClock::time_point deadline = SteadyClock::now() + patience;
    throw_if_stopped(stop_);
    const char* bytes = as_text(data).data();
    for (;;) {
        const int queued = PQputCopyData(connection_.get(), bytes, static_cast<int>(data.size()));
        if (queued < 0) {
            throw_broken("the connection to the server is lost");
        }
        if (queued == 1) {
            break;
        }
        flush(deadline);
    }
    // libpq would gather without bound.
    unsent_ += data.size();
    if (unsent_ >= unsent_before_waiting || data.size() < small_message) {
        flush(deadline);
        unsent_ = 0;
    }
}

void PostgresConnection::copy_end(const char* failure, Patience patience)
{
    const SteadyClock::time_point deadline = SteadyClock::now() + patience;
    for (;;) {
        const int queued = PQputCopyEnd(connection_.get(), failure);
        if (queued < 0) {
            throw_broken("the connection to the server is lost");
        }
        if (queued == 1) {
            break;
        }
        flush(deadline);
    }
    flush(deadline);
    unsent_ = 0;
}

void PostgresConnection::cancel() noexcept
{
    // libpq's call has no deadline of its own. The thread owns all that it touches, so it may be
    // left behind.
    struct Shared {
        std::unique_ptr<PGcancel, FreeCancel> handle;
        std::mutex mutex; // guards done
        std::condition_variable changed;
        bool done = false;
    };
    try {
        const auto shared = std::make_shared<Shared>();
        shared->handle.reset(PQgetCancel(connection_.get()));
        if (!shared->handle) {
            return;
        }
        Thread("backstay-cancel", [shared] {
            std::array<char, 256> message{};
            PQcancel(shared->handle.get(), message.data(), static_cast<int>(message.size()));
            const std::lock_guard lock(shared->mutex);
            shared->done = true;
            shared->changed.notify_all();
        }).detach();
        std::unique_lock lock(shared->mutex);
        shared->changed.wait_for(lock, cancel_patience, [&] { return shared->done; });
    } catch (...) {
        // Closing the connection ends the command, too, only later.
    }
}

std::vector<std::string> PostgresConnection::take_warnings()
{
    return std::exchange(warnings_, {});
}

} // namespace backstay::core
