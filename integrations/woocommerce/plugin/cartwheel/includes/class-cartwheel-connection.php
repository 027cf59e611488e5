<?php
/**
 * Whether this shop is connected to its Cartwheel, and how.
 *
 * @package Cartwheel
 */

defined( 'ABSPATH' ) || exit;

/**
 * Reads the connection from the webhooks that Cartwheel made in this shop: their address holds the connection's id, and
 * they hold its secret. So there is nothing to paste, to store twice, or to forget when a secret is renewed.
 */
final class Cartwheel_Connection {

	const PATH          = '/webhooks/woocommerce/';
	const MOST_WEBHOOKS = 200; // Looked at.

	/**
	 * Returns the connection, or null where there is none.
	 *
	 * @return array|null id, secret, signs (the topic whose secret that is), topics (of the active webhooks), disabled
	 *                    (topics that WooCommerce switched off, or a person paused).
	 */
	public static function current() {
		$found = null;
		foreach ( self::webhooks() as $webhook ) {
			$id = self::connection_id( $webhook->get_delivery_url() );
			if ( null === $id || ( $found && $found['id'] !== $id ) ) {
				continue;
			}
			// The newest webhook comes first. Its secret is decoded as WooCommerce decodes it before it signs.
			$found = $found ? $found : array(
				'id'       => $id,
				'secret'   => '',
				'signs'    => '',
				'topics'   => array(),
				'disabled' => array(),
			);
			if ( 'active' !== $webhook->get_status() ) {
				$found['disabled'][] = $webhook->get_topic();
				continue;
			}
			$found['topics'][] = $webhook->get_topic();
			if ( '' === $found['secret'] ) {
				$found['secret'] = wp_specialchars_decode( $webhook->get_secret(), ENT_QUOTES );
				$found['signs']  = $webhook->get_topic();
			}
		}
		return $found && '' !== $found['secret'] ? $found : null;
	}

	/**
	 * Says where a shop is connected: a page of Cartwheel that knows the shop's address already.
	 *
	 * @return string Empty where this copy does not know its Cartwheel.
	 */
	public static function connect_url() {
		$app = Cartwheel_Settings::app_url();
		return '' === $app ? '' : $app . '/woocommerce/connect?' . http_build_query( array( 'shop' => home_url() ) );
	}

	/**
	 * Reads the connection's id in the address of a webhook.
	 *
	 * @param string $delivery_url Where the webhook is delivered.
	 * @return string|null Null for a webhook that is not our Cartwheel's.
	 */
	private static function connection_id( $delivery_url ) {
		$app    = Cartwheel_Settings::app_url();
		$begins = $app . self::PATH;
		if ( '' === $app || 0 !== strpos( (string) $delivery_url, $begins ) ) {
			return null;
		}
		$rest = substr( $delivery_url, strlen( $begins ) );
		return 1 === preg_match( '#\A([A-Za-z0-9_-]{16,64})(?:[/?].*)?\z#', $rest, $parts ) ? $parts[1] : null;
	}

	/**
	 * Returns the shop's webhooks, newest first.
	 *
	 * @return WC_Webhook[]
	 */
	private static function webhooks() {
		if ( ! class_exists( 'WC_Data_Store' ) || ! class_exists( 'WC_Webhook' ) ) {
			return array();
		}
		$ids = array_map( 'intval', WC_Data_Store::load( 'webhook' )->get_webhooks_ids() );
		rsort( $ids );
		return array_map(
			function ( $id ) {
				return new WC_Webhook( $id );
			},
			array_slice( $ids, 0, self::MOST_WEBHOOKS )
		);
	}
}
