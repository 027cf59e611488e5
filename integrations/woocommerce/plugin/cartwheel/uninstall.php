<?php
/**
 * Leaves nothing behind when the plugin is deleted: the carts, the settings, and the webhooks of topics that are gone
 * with it. The other webhooks stay: the shop is still connected, and disconnecting is done in Cartwheel.
 *
 * @package Cartwheel
 */

defined( 'WP_UNINSTALL_PLUGIN' ) || exit;

// phpcs:disable WordPress.DB.DirectDatabaseQuery, WordPress.DB.PreparedSQL

/**
 * Cleans the site that is switched to.
 */
function cartwheel_clean_site() {
	global $wpdb;
	$wpdb->query( "DROP TABLE IF EXISTS {$wpdb->prefix}cartwheel_checkouts" );
	delete_option( 'cartwheel_settings' );
	delete_option( 'cartwheel_schema' );
	wp_clear_scheduled_hook( 'cartwheel_prune' );
	$webhooks = $wpdb->prefix . 'wc_webhooks';
	if ( $webhooks === $wpdb->get_var( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( $webhooks ) ) ) ) {
		$wpdb->query( "DELETE FROM {$webhooks} WHERE topic LIKE 'checkout.%' OR topic LIKE 'shopper.%'" );
		foreach ( array( '', '_status_active', '_status_paused', '_status_disabled' ) as $rest ) {
			delete_transient( 'woocommerce_webhook_ids' . $rest );
		}
	}
}

if ( is_multisite() ) {
	foreach ( get_sites( array( 'fields' => 'ids', 'number' => 0 ) ) as $cartwheel_site ) {
		switch_to_blog( $cartwheel_site );
		cartwheel_clean_site();
		restore_current_blog();
	}
} else {
	cartwheel_clean_site();
}
