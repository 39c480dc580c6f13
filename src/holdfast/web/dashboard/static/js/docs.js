// Starts the API page under a policy that forbids inline scripts.

const place = /** @type {HTMLElement} */ (document.getElementById("swagger-ui"));
/** @type {any} */ (window).SwaggerUIBundle({ url: place.dataset.url, domNode: place, deepLinking: false, validatorUrl: null });
