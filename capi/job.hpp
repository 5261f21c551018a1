#pragma once

#include "guarded.hpp"
#include "handles.hpp"
#include "record_queue.hpp"

#include "base/thread.hpp"

#include <functional>

/// A piece of work on a thread of its own, and its records on their way to the host.
struct backstay_job {
    /// What the work needs beside its context; returns the summary.
    using Work = std::function<backstay::core::Record(backstay::core::JobContext&)>;
    enum class Gives { problems, listings };

    /// `operation` names the summary's "command". Stops with `cancel` and with `closing` (may be
    /// without state).
    backstay_job(backstay::capi::EngineRef engine, const char* operation, Gives gives, Work work,
                 std::stop_token cancel, std::stop_token closing);
    ~backstay_job();
    backstay_job(const backstay_job&) = delete;

    backstay_status next(std::int64_t timeout_ns, backstay_record** record);
    backstay_status wait(std::int64_t timeout_ns, backstay_error** error);
    const backstay_record* summary() const;
    backstay::core::Record progress() const { return context_.progress_record(); }
    int descriptor() const { return queue_.descriptor(); }
    const backstay::capi::EngineRef& engine() const { return engine_; }
    void check_process() const { engine_->check_process(); }

private:
    void run();
    backstay::core::Record work();
    void take(backstay::core::Record record);
    void end(backstay::core::Record summary, backstay_status status, backstay_error* error);

    backstay::capi::EngineRef engine_;
    const char* operation_;
    Gives gives_;
    Work work_;
    std::stop_source stop_;
    std::stop_token cancel_;
    std::stop_token closing_;
    std::stop_callback<std::function<void()>> on_cancel_;
    std::stop_callback<std::function<void()>> on_close_;
    backstay::capi::RecordQueue queue_;
    backstay::core::JobContext context_;
    mutable std::mutex mutex_; // guards the four below
    std::condition_variable ended_signal_;
    bool ended_ = false;
    backstay_status status_ = BACKSTAY_OK;
    std::unique_ptr<backstay_error, void (*)(backstay_error*)> error_{nullptr, backstay_error_free};
    std::unique_ptr<backstay_record> summary_;
    backstay::core::Thread thread_;
};
