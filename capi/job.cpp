#include "job.hpp"

#include "base/error.hpp"

#include <chrono>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using backstay::capi::guarded;
using backstay::capi::need;
using backstay::core::Error;
using backstay::core::ErrorCode;
using backstay::core::Record;

namespace
{

/// Of the calling thread: what it starts inherits it.
void give_way_to_others()
{
    constexpr int idle_io = 3 << 13; // IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 19);
    ::syscall(SYS_ioprio_set, 1, 0, idle_io);
}

Record error_record(const backstay_error& error)
{
    Record record;
    record.set("code", backstay_status_name(error.status));
    record.set("message", error.message);
    record.set("subject", backstay::core::RawText{error.subject});
    return record;
}

} // namespace

backstay_job::backstay_job(backstay::capi::EngineRef engine, const char* operation, Gives gives,
                           Work work, std::stop_token cancel, std::stop_token closing)
    : engine_(std::move(engine)), operation_(operation), gives_(gives), work_(std::move(work)),
      cancel_(std::move(cancel)), closing_(std::move(closing)),
      on_cancel_(cancel_, [this] { stop_.request_stop(); }),
      on_close_(closing_, [this] { stop_.request_stop(); }),
      queue_(engine_->limits().temporary_folder),
      context_(stop_.get_token(), [this](Record record) { take(std::move(record)); })
{
    thread_ = backstay::core::Thread("backstay-job", [this] { run(); });
}

backstay_job::~backstay_job()
{
    stop_.request_stop();
    thread_.join();
}

void backstay_job::take(Record record)
{
    const std::string type = record.text("type");
    if (gives_ == Gives::listings && type != "problem" && type != "source") {
        queue_.push_listing(std::move(record), stop_.get_token());
    } else {
        queue_.push(std::move(record));
    }
}

Record backstay_job::work()
{
    try {
        return work_(context_);
    } catch (const Error& error) {
        const bool closed = closing_.stop_requested() && !cancel_.stop_requested();
        if (error.code() == ErrorCode::cancelled && closed) {
            throw Error(ErrorCode::closed, "the repository was closed");
        }
        throw;
    }
}

void backstay_job::run()
{
    if (engine_->low_priority()) {
        give_way_to_others();
    }
    backstay_error* error = nullptr;
    Record summary;
    backstay_status status = BACKSTAY_OK;
    try {
        summary = work();
    } catch (...) {
        status = backstay::capi::report_current_exception(&error);
        summary = Record("summary");
        summary.set("command", operation_).set("error", error_record(*error));
        summary.set("problems", context_.progress().problems.load());
    }
    work_ = nullptr; // lets go of repository, sources and targets before the host sees the end
    end(std::move(summary), status, error);
}

void backstay_job::end(Record summary, backstay_status status, backstay_error* error)
{
    {
        const std::lock_guard lock(mutex_);
        summary_.reset(backstay::capi::new_record(summary));
        status_ = status;
        error_.reset(error);
        ended_ = true;
    }
    queue_.push(std::move(summary));
    queue_.close();
    ended_signal_.notify_all();
}

backstay_status backstay_job::next(std::int64_t timeout_ns, backstay_record** record)
{
    Record out;
    switch (queue_.pop(timeout_ns, out)) {
    case backstay::capi::RecordQueue::Got::pending:
        return BACKSTAY_PENDING;
    case backstay::capi::RecordQueue::Got::done:
        return BACKSTAY_DONE;
    case backstay::capi::RecordQueue::Got::record:
        break;
    }
    *record = backstay::capi::new_record(std::move(out));
    return BACKSTAY_OK;
}

backstay_status backstay_job::wait(std::int64_t timeout_ns, backstay_error** error)
{
    if (gives_ == Gives::listings && !queue_.drained()) {
        throw Error(ErrorCode::invalid,
                    "this job gives listings: read them by job_next until it says DONE, then wait");
    }
    std::unique_lock lock(mutex_);
    const auto ended = [this] { return ended_; };
    if (timeout_ns < 0) {
        ended_signal_.wait(lock, ended);
    } else if (!ended_signal_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), ended)) {
        return BACKSTAY_PENDING;
    }
    if (status_ == BACKSTAY_OK) {
        return BACKSTAY_OK;
    }
    return backstay::capi::report(error, status_, error_->message.c_str(), &error_->subject,
                                  error_->system_error, error_->host_tag);
}

const backstay_record* backstay_job::summary() const
{
    const std::lock_guard lock(mutex_);
    return ended_ ? summary_.get() : nullptr;
}

extern "C" {

backstay_status backstay_job_next(backstay_job* job, int64_t timeout_ns, backstay_record** record,
                                  backstay_error** error)
{
    return guarded(error, [&] {
        need(record, "record");
        need(job, "job").check_process();
        return job->next(timeout_ns, record);
    });
}

backstay_status backstay_job_wait(backstay_job* job, int64_t timeout_ns, backstay_error** error)
{
    return guarded(error, [&] {
        need(job, "job").check_process();
        return job->wait(timeout_ns, error);
    });
}

const backstay_record* backstay_job_summary(const backstay_job* job)
{
    return job != nullptr ? job->summary() : nullptr;
}

backstay_status backstay_job_progress(backstay_job* job, backstay_record** record,
                                      backstay_error** error)
{
    return guarded(error, [&] {
        need(job, "job").check_process();
        need(record, "record") = backstay::capi::new_record(job->progress());
        return BACKSTAY_OK;
    });
}

int backstay_job_descriptor(const backstay_job* job)
{
    return job != nullptr ? job->descriptor() : -1;
}

void backstay_job_free(backstay_job* job)
{
    backstay::capi::free_handle(job, &backstay_job::engine);
}

} // extern "C"
