#include "store/retrying_store.hpp"
