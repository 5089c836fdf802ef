// Subscriptions as a part of the server: started, configured, ended.
#pragma once
#include "gateway/app.hpp"

namespace mlforge::gateway {

// Opens the subscriptions where they stood and starts what they deliver. After the managers.
Status start_subscriptions(App& app);

// Makes, changes or ends the subscriptions that lineage_file and lineage_url ask for: they are
// named lineage-file and lineage-url, and begin with the first event of the log. A log that does
// not accept writes is no error: it stays as it was.
Status configure_lineage(App& app);

void stop_subscriptions(App& app);

}  // namespace mlforge::gateway
